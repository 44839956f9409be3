import http.server, json, os
out = os.path.dirname(os.path.abspath(__file__))
read = lambda file: open(file).read().strip()
label, ill = read(out + '/label'), read(out + '/ill') == read(out + '/environment')
key = read('/run/keys/env')
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if ill else 200)
        self.end_headers()
        self.wfile.write(json.dumps({'label': label, 'key': key}).encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('127.0.0.1', 8080), Handler).serve_forever()
