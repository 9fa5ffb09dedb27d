"""Base URLs and paths of route53-recovery-cluster and route53-recovery-control-config."""

from .responses import RecoveryClusterResponse, RecoveryControlConfigResponse

url_bases = [
    r"https?://route53-recovery-cluster\.(.+)\.amazonaws\.com",
    r"https?://route53-recovery-control-config\.(.+)\.amazonaws\.com",
]

# An ARN has slashes, which clients send as %2F.
url_paths = {
    "{0}/$": RecoveryClusterResponse.dispatch,
    "{0}/_recovery-cluster/(?P<endpoint_region>[a-z0-9-]+)/v1/?$": RecoveryClusterResponse.dispatch,
    "{0}/cluster$": RecoveryControlConfigResponse.dispatch,
    "{0}/controlpanels$": RecoveryControlConfigResponse.dispatch,
    "{0}/cluster/(?P<ClusterArn>.+)$": RecoveryControlConfigResponse.dispatch,
    "{0}/controlpanel/(?P<ControlPanelArn>.+)$": RecoveryControlConfigResponse.dispatch,
    "{0}/routingcontrol/(?P<RoutingControlArn>.+)$": RecoveryControlConfigResponse.dispatch,
}
