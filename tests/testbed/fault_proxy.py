"""The TCP fault proxy (toxiproxy) between tenantd and a backend."""
import requests

from . import parts
from .process import Server, reserve_port


class Proxy:
    """One proxied backend; `address` is what tenantd is given."""

    def __init__(self, server, name, address):
        self.server, self.name, self.address = server, name, address

    def _post(self, path, body):
        reply = requests.post(self.server.api + path, json=body, timeout=5)
        assert reply.ok, f"fault proxy: {reply.status_code} {reply.text}"

    def cut(self):
        """Connections die, new ones are refused."""
        self._post(f"/proxies/{self.name}", {"enabled": False})

    def heal(self):
        """Everything passes again, no toxic left."""
        self._post(f"/proxies/{self.name}", {"enabled": True})
        for toxic in requests.get(f"{self.server.api}/proxies/{self.name}/toxics",
                                  timeout=5).json():
            requests.delete(f"{self.server.api}/proxies/{self.name}/toxics/{toxic['name']}",
                            timeout=5).raise_for_status()

    def toxic(self, kind, stream="downstream", **attributes):
        """Add a fault: latency(latency, jitter), timeout(timeout), limit_data(bytes), slicer,
        bandwidth(rate), reset_peer(timeout). `downstream` is what the backend answers."""
        self._post(f"/proxies/{self.name}/toxics",
                   {"type": kind, "stream": stream, "attributes": attributes})

    def slow(self, milliseconds):
        self.toxic("latency", latency=milliseconds)

    def swallow_replies(self):
        """Requests arrive and are carried out; no reply ever comes back."""
        self.toxic("timeout", timeout=0)

    def cut_reply_after(self, nbytes):
        """Every connection is closed after that many bytes of replies."""
        self.toxic("limit_data", bytes=nbytes)


class FaultProxy(Server):
    name = "toxiproxy"
    port_names = ("api",)

    @property
    def api(self):
        return f"http://127.0.0.1:{self.ports['api']}"

    def argv(self):
        return [parts.toxiproxy(), "-host", "127.0.0.1", "-port", self.ports["api"]]

    def ready(self):
        if "already in use" in self.log_text():
            # It would go on without its port.
            self.kill()
            self.raise_start_error("its port is taken")
        return requests.get(self.api + "/version", timeout=2).ok

    def proxy(self, name, upstream):
        """A new proxy in front of upstream (HOST:PORT), which need not run yet."""
        for _ in range(5):
            address = f"127.0.0.1:{reserve_port()}"
            reply = requests.post(self.api + "/proxies", timeout=5, json={
                "name": name, "listen": address, "upstream": upstream, "enabled": True})
            if reply.ok:
                return Proxy(self, name, address)
        raise RuntimeError(f"fault proxy: {reply.status_code} {reply.text}")
