"""curl's ``-w``: ``%{http_code}`` and its kin (https://curl.se/docs/manpage.html#-w)."""

from __future__ import annotations

import re

import pycurl

_NUMBERS = {
    "http_code": pycurl.RESPONSE_CODE,
    "response_code": pycurl.RESPONSE_CODE,
    "size_download": pycurl.SIZE_DOWNLOAD,
    "size_header": pycurl.HEADER_SIZE,
    "num_connects": pycurl.NUM_CONNECTS,
    "ssl_verify_result": pycurl.SSL_VERIFYRESULT,
    "local_port": pycurl.LOCAL_PORT,
    "remote_port": pycurl.PRIMARY_PORT,
    "http_connect": pycurl.HTTP_CONNECTCODE,
}
_TIMES = {
    "time_total": pycurl.TOTAL_TIME,
    "time_connect": pycurl.CONNECT_TIME,
    "time_appconnect": pycurl.APPCONNECT_TIME,
    "time_namelookup": pycurl.NAMELOOKUP_TIME,
    "time_pretransfer": pycurl.PRETRANSFER_TIME,
    "time_starttransfer": pycurl.STARTTRANSFER_TIME,
    "time_redirect": pycurl.REDIRECT_TIME,
}
_TEXTS = {
    "content_type": pycurl.CONTENT_TYPE,
    "url_effective": pycurl.EFFECTIVE_URL,
    "redirect_url": pycurl.REDIRECT_URL,
    "remote_ip": pycurl.PRIMARY_IP,
    "local_ip": pycurl.LOCAL_IP,
}
_VERSIONS = {1: "1", 2: "1.1", 3: "2", 30: "3"}
_PLACE = re.compile(r"%\{([a-z_]+)\}|%%|\\([ntr\\])")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


def written(template: str, handle: pycurl.Curl, redirects: int, code: int) -> bytes:
    """*template* with its variables filled in."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "%" if found[0] == "%%" else _ESCAPES[found[2]]
        if name in _NUMBERS:
            number = int(handle.getinfo(_NUMBERS[name]))
            return f"{number:03d}" if name in ("http_code", "response_code", "http_connect") else str(number)
        if name in _TIMES:
            return f"{handle.getinfo(_TIMES[name]):.6f}"
        if name in _TEXTS:
            return str(handle.getinfo(_TEXTS[name]) or "")
        if name == "http_version":
            return _VERSIONS.get(handle.getinfo(pycurl.INFO_HTTP_VERSION), "0")
        return {"num_redirects": str(redirects), "exitcode": str(code)}.get(name, "")

    return _PLACE.sub(value, template).encode()
