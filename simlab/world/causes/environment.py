"""Backends and networks of the test environment. Not the lab: such a failure counts for the test."""

from __future__ import annotations

from simlab.world.causes.words import cause

CAUSES = (
    cause(
        "orders_backend_503",
        "Backend error",
        "orders.OrdersApi.fetchOpen orders.OrderFlow.list",
        ("java", "com.acme.http.BackendException: OrdersApi fetchOpen answered 503 Service Unavailable (request {uuid})"),
        ("python", "requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url: https://{stage}.acme.example.com/orders/{big} (OrdersApi fetchOpen)"),
        ("javascript", "AxiosError: OrdersApi fetchOpen: Request failed with status code 503"),
        ("plain", "OrdersApi fetchOpen: Der Dienst ist nicht verfügbar (503), Anfrage {uuid}"),
        ("plain", "<html><head><title>503 Service Temporarily Unavailable</title></head><body>OrdersApi fetchOpen upstream {ip}:{port}</body></html>"),
    ),
    cause(
        "offers_query_timeout",
        "Backend error",
        "offers.OffersGraph.query offers.OfferFlow.loadOffers",
        ("javascript", "ApolloError: OffersGraph query timed out after {ms}ms"),
        ("java", "java.net.SocketTimeoutException: OffersGraph query: Read timed out after {ms} ms"),
        ("python", "gql.transport.exceptions.TransportQueryError: {'message': 'OffersGraph query exceeded its deadline', 'path': ['offers', '{city}']}"),
        ("plain", "OffersGraph query: délai dépassé ({seconds} s) pour {city}"),
        ("csharp", "System.Threading.Tasks.TaskCanceledException : OffersGraph query was canceled after {seconds} seconds"),
        ("plain", "OffersGraph query がタイムアウトしました ({ms} ms)"),
        ('javascript', 'TimeoutError: Timeout {ms}ms exceeded.'),
    ),
    cause(
        "staging_certificate_rejected",
        "Network error",
        "net.SecureChannel.handshake net.Startup.connect",
        ("java", "javax.net.ssl.SSLHandshakeException: SecureChannel handshake: PKIX path building failed for {stage}"),
        ("python", "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] SecureChannel handshake with {stage}: certificate has expired (_ssl.c:{n})"),
        ("javascript", "Error: SecureChannel handshake: unable to verify the first certificate"),
        ("plain", "SecureChannel handshake: Zertifikat von {stage} abgelehnt"),
        ("csharp", "System.Security.Authentication.AuthenticationException : SecureChannel handshake: The remote certificate is invalid"),
    ),
    cause(
        "payments_host_unknown",
        "Network error",
        "net.HostLookup.resolve payment.GatewayClient.open",
        ("java", "java.net.UnknownHostException: HostLookup resolve: payments.{stage}.example.com: Name or service not known"),
        ("python", "socket.gaierror: [Errno -2] HostLookup resolve: Name or service not known (payments.{stage})"),
        ("javascript", "Error: HostLookup resolve getaddrinfo ENOTFOUND payments.{stage}.example.com"),
        ("plain", "HostLookup resolve : hôte payments.{stage} introuvable"),
        ("csharp", "System.Net.Sockets.SocketException : HostLookup resolve: No such host is known. (payments.{stage})"),
    ),
    cause(
        "proxy_wants_password",
        "Network error",
        "net.ProxyTunnel.connect net.Startup.viaProxy",
        ("java", "java.io.IOException: ProxyTunnel connect: Unable to tunnel through proxy. Proxy returns \"HTTP/1.1 407 Proxy Authentication Required\""),
        ("python", "urllib3.exceptions.ProxyError: ProxyTunnel connect: ('Cannot connect to proxy.', OSError('Tunnel connection failed: 407'))"),
        ("javascript", "Error: tunneling socket could not be established, statusCode=407, ProxyTunnel connect {ip}:{port}"),
        ("plain", "ProxyTunnel connect: Proxy verlangt Anmeldung ({ip}:{port})"),
        ("plain", "ProxyTunnel connect: プロキシ認証が必要です {ip}"),
    ),
)  # fmt: skip
