"""Servers that lessons call: httpbin (there are two, which differ), an echo, httpd, nginx, a proxy."""

from __future__ import annotations

from labkit.embedded.images.commands import commands, lesson
from labkit.embedded.images.program import Program

_GO_HTTPBIN = Program(
    "httpbin in Go: headers and arguments are lists, port 8080",
    lesson("go-httpbin"),
    commands={"go-httpbin": lesson("go-httpbin")},
)
_HTTPBIN = Program(
    "httpbin in Python, behind gunicorn, port 80",
    lesson("gunicorn"),
    ["-b", "0.0.0.0:80", "httpbin:app", "-k", "gevent"],
    commands={"gunicorn": lesson("gunicorn"), "pipenv": lesson("gunicorn"), **commands("curl")},
)
_SQUID = Program(
    "a forward proxy with squid's http_port, acl and http_access",
    lesson("squid"),
    commands={"squid": lesson("squid"), **commands("curl", "tail")},
)
_NGINX = Program(
    "nginx, with the directives that Istio's lessons use",
    lesson("nginx"),
    ["-g", "daemon off;"],
    commands={"nginx": lesson("nginx"), **commands("curl")},
)
_HTTPD = Program(
    "Apache's server with its one page, port 80",
    lesson("httpd"),
    folders={
        "/usr/local/apache2/htdocs": {"index.html": "<html><body><h1>It works!</h1></body></html>\n"},
    },
    commands={"httpd": lesson("httpd"), "httpd-foreground": lesson("httpd")},
)

IMAGES = {
    "mccutchen/go-httpbin:*": _GO_HTTPBIN,
    "kennethreitz/httpbin:*": _HTTPBIN,
    "echoserver:*": Program("answers with what it was asked, port 8080", lesson("echoserver")),
    "labkit/outside-world:*": Program(
        "the outside world as `lab.outside` fills it, ports 80 and 443", lesson("outside")
    ),
    "httpd:*": _HTTPD,
    "nginx:*": _NGINX,
    "nginxinc/nginx-unprivileged:*": _NGINX,
    "sameersbn/squid:*": _SQUID,
    "ubuntu/squid:*": _SQUID,
}
