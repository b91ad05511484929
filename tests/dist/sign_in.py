"""Signs in at an archive that is open to the network, as a browser does.

Arguments: address of the pages, account, and for HTTPS the certificate to trust. The password is read from standard
input.
"""

import ssl
import sys
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from urllib.parse import urlencode, urlsplit


class Browser:
    """Asks one server."""

    def __init__(self, url: str, certificate: str | None) -> None:
        self.url = urlsplit(url)
        self.context = ssl.create_default_context(cafile=certificate) if certificate else None
        self.cookie = ""

    def ask(self, method: str, path: str, body: str | None = None, accept: str = "application/json") -> HTTPResponse:
        host = self.url.netloc
        connection = HTTPSConnection(host, context=self.context) if self.context else HTTPConnection(host)
        headers = {"Accept": accept, "Origin": f"{self.url.scheme}://{host}"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if self.cookie:
            headers["Cookie"] = self.cookie
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def sign_in(self, account: str, password: str) -> int:
        answer = self.ask("POST", "/sign-in", urlencode({"account": account, "password": password}), "text/html")
        self.cookie = (answer.headers.get("Set-Cookie") or "").split(";")[0]
        return answer.status


def expect(what: str, is_: object, wanted: object) -> None:
    if is_ != wanted:
        raise SystemExit(f"{what}: {is_}, not {wanted}")


def main() -> None:
    url, account = sys.argv[1:3]
    password = sys.stdin.readline().rstrip("\n")
    browser = Browser(url, sys.argv[3] if len(sys.argv) > 3 else None)
    studies = "/dicom-web/studies"
    expect("studies without a sign-in", browser.ask("GET", studies).status, 401)
    page = browser.ask("GET", "/", accept="text/html")
    expect("the list without a sign-in", (page.status, page.headers["Location"]), (303, "/sign-in"))
    expect("a wrong password", (browser.sign_in(account, password + "x"), browser.cookie), (403, ""))
    expect("the password", browser.sign_in(account, password), 303)
    expect("the cookie over HTTPS alone", browser.cookie.startswith("__Host-"), url.startswith("https:"))
    expect("studies with the cookie", browser.ask("GET", studies).status in (200, 204), True)
    expect("the accounts, for an administrator", browser.ask("GET", "/accounts", accept="text/html").status, 200)


main()
