// The ssh command of rsync and git: `node bridge.js SOCKET [options] HOST COMMAND…`. It hands the command and its own
// stdin and stdout to the action, which runs it on a channel of the connection it already has.
import { connect } from 'node:net';
const [socket = '', ...words] = process.argv.slice(2);
const stream = connect(socket);
stream.on('error', (error) => {
    process.stderr.write(`The deploy ended: ${error.message}\n`);
    process.exit(255);
});
stream.write(`${JSON.stringify(words)}\n`);
process.stdin.pipe(stream);
stream.pipe(process.stdout);
