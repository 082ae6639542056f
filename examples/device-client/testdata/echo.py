"""The tutorial's counterpart on a PC: flask-sock, route /, receive and send back."""
import logging
import socket
import sys

from flask import Flask
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@sock.route("/")
def echo(ws):
    while True:
        ws.send(ws.receive())


with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
print(f"listening on {port}", flush=True)
app.run(host="127.0.0.1", port=port)
