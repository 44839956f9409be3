import importlib.util
import os
import sys

import ego_core
from fastapi import FastAPI, Response

ego_core.misbehave()
app = FastAPI()


@app.get("/health")
def health(response: Response) -> dict[str, object]:
    if ego_core.behaviour == "500":
        response.status_code = 500
    return {
        "version": ego_core.version,
        "signed": importlib.util.find_spec("itsdangerous") is not None,
        "greeting": os.environ.get("GREETING", ""),
        "python": sys.prefix,
    }
