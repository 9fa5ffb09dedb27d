"""drs base URL and path."""

from .responses import DRSResponse

url_bases = [
    r"https?://drs\.(.+)\.amazonaws\.com",
]

url_paths = {
    "{0}/tags/(?P<resourceArn>.+)$": DRSResponse.dispatch,
    "{0}/(?P<operation>[A-Za-z]+)$": DRSResponse.dispatch,
}
