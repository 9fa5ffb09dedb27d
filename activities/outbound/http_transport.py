"""HTTP that connects to checked addresses only."""

from urllib.request import getproxies, proxy_bypass

import httpx

from activities.outbound.addresses import UnknownHostError, checked_addresses

# A connection is not used again: it is to an address, and the next host may share that.
_LIMITS = httpx.Limits(max_keepalive_connections=0)


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to addresses that are checked before each request, so also after a redirect."""

    def __init__(self, *, verify_tls: bool = True, uses_proxy: bool = False) -> None:
        """Prepare.

        Args:
            verify_tls: whether certificates must be valid.
            uses_proxy: the proxy of the environment is used, if there is one. It then resolves the
                name itself, and what it refuses is its own matter.
        """
        self._direct = httpx.AsyncHTTPTransport(verify=verify_tls, limits=_LIMITS)
        self._uses_proxy = uses_proxy
        self._proxied: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            AddressRefusedError: the host must not be connected to.
            UnknownHostError: the host has no address.
            httpx.HTTPError: it failed.
        """
        url = request.url
        host = url.raw_host.decode()
        port = url.port or (443 if url.scheme == "https" else 80)
        proxy = self._proxy_of(url.scheme, host) if self._uses_proxy else None
        try:
            addresses = await checked_addresses(host, port)
        except UnknownHostError:
            if proxy is None:
                raise
        if proxy is not None:
            return await proxy.handle_async_request(request)
        for address in addresses[:-1]:
            try:
                return await self._direct.handle_async_request(_to_address(request, address, host))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._direct.handle_async_request(_to_address(request, addresses[-1], host))

    def _proxy_of(self, scheme: str, host: str) -> httpx.AsyncHTTPTransport | None:
        proxies = getproxies()
        url = proxies.get(scheme) or proxies.get("all")
        if not url or proxy_bypass(host, proxies):
            return None
        if url not in self._proxied:
            self._proxied[url] = httpx.AsyncHTTPTransport(proxy=url, limits=_LIMITS)
        return self._proxied[url]


def _to_address(request: httpx.Request, address: str, host: str) -> httpx.Request:
    """A request that goes to an address; its Host header and its certificate's name stay."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


async def beginning(response: httpx.Response, max_bytes: int) -> bytes:
    """The beginning of a response's body, as it came."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= max_bytes:
            break
    return body[:max_bytes]
