import Addressing
import CLinux
import DNS
import Glibc
import KubeAPI
import KubeClient
import Logging
import NameServer
import Telemetry
import Testing

@testable import Agent

@Suite("figures of names", .timeLimit(.minutes(5)))
struct NameFigureTests {
    private static func name(_ text: String) -> DomainName { DomainName(text) ?? .root }

    /// A name server of its own that others are asked at.
    private static func upstream() throws -> DNSServer {
        let apex = name("example.org")
        let authority = StartOfAuthority(primary: apex, mailbox: apex, serial: 1, minimum: 300)
        var zone = Zone(apex, authority: authority, nameServers: [apex], ttl: 300)
        zone.replace("all", with: [Record(name("www.example.org"), .a(IPv4Address(192, 0, 2, 1)), ttl: 300)])
        let server = DNSServer(
            NameServerSettings(addresses: [.v4(.loopback)], port: 0, threads: 1, now: { .zero }), outside: nil,
            logger: Logger(label: "test"))
        server.serve(ServedNames(zones: Zones([zone])))
        try server.start()
        return server
    }

    @Test("what is asked outside and remembered is told under CoreDNS's names")
    func outside() async throws {
        let upstream = try Self.upstream()
        defer { upstream.stop() }
        let place = try #require(upstream.addresses.first)
        let forwarder = Forwarder(
            ForwardingSettings(upstreams: [Upstream(place)], detectsLoops: false),
            now: { .nanoseconds(clinux_clock(CLOCK_MONOTONIC)) }, random: { .random(in: .min ... .max) },
            logger: Logger(label: "test"))
        try forwarder.start()
        defer { forwarder.stop() }
        let server = DNSServer(
            NameServerSettings(addresses: [.v4(.loopback)], port: 0, threads: 1, now: { .zero }), outside: forwarder,
            logger: Logger(label: "test"))
        try server.start()
        defer { server.stop() }
        let own = try #require(server.addresses.first)
        // The name twice and what does not exist three times: of each the first is asked for.
        let asker = try LoopbackAsker(own.port)
        for text in ["www.example.org", "www.example.org", "no.example.org", "no.example.org", "no.example.org"] {
            _ = try asker.ask(Message.query(Question(Self.name(text), .a), id: 1).bytes())
        }
        var page = Exposition()
        page.add(forwarder.figures, server: "dns://:53")
        let lines = page.text.split(separator: "\n").map(String.init)
        let cache = #"server="dns://:53",view="",zones=".""#
        let to = "\(place)"
        let wanted = [
            #"coredns_cache_requests_total{\#(cache)} 5"#, #"coredns_cache_misses_total{\#(cache)} 2"#,
            #"coredns_cache_hits_total{server="dns://:53",type="success",view="",zones="."} 1"#,
            #"coredns_cache_hits_total{server="dns://:53",type="denial",view="",zones="."} 2"#,
            #"coredns_cache_entries{server="dns://:53",type="success",view="",zones="."} 1"#,
            #"coredns_cache_entries{server="dns://:53",type="denial",view="",zones="."} 1"#,
            #"coredns_cache_evictions_total{server="dns://:53",type="success",view="",zones="."} 0"#,
            #"coredns_cache_prefetch_total{\#(cache)} 0"#, #"coredns_cache_served_stale_total{\#(cache)} 0"#,
            #"coredns_forward_requests_total{to="\#(to)"} 2"#,
            #"coredns_forward_responses_total{rcode="NOERROR",to="\#(to)"} 1"#,
            #"coredns_forward_responses_total{rcode="NXDOMAIN",to="\#(to)"} 1"#,
            "coredns_forward_healthcheck_broken_total 0", "coredns_forward_max_concurrent_rejects_total 0",
            #"coredns_proxy_request_duration_seconds_count{proxy_name="forward",rcode="NOERROR",to="\#(to)"} 1"#,
            #"coredns_proxy_healthcheck_failures_total{proxy_name="forward",to="\#(to)"} 0"#,
        ]
        for line in wanted { #expect(lines.contains(line), "\(line)") }
        #expect(forwarder.figures.memory.bytes > 0 && lines.contains("tulle_dns_cache_bytes \(forwarder.figures.memory.bytes)"))
    }

    @Test("how long changes took is told by the kind of service, and since what caused them where that is known")
    func programming() {
        func slice(_ labels: [String: String], _ trigger: String? = nil) -> EndpointSlice {
            let notes = trigger.map { ["endpoints.kubernetes.io/last-change-trigger-time": $0] } ?? [:]
            return EndpointSlice(
                metadata: ObjectMeta(name: "a", namespace: "shop", labels: labels, annotations: notes), addressType: .v4)
        }
        let controller = ["endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"]
        let headless = ["service.kubernetes.io/headless": ""]
        var spec = Service.Spec()
        spec.clusterIPs = [.v4(IPv4Address(10, 96, 0, 1))]
        let service = Service(metadata: ObjectMeta(name: "web", namespace: "shop"), spec: spec)
        let time = "1970-01-01T00:00:07Z"
        var programming = NameProgramming()
        programming.observe(
            [
                .listed([slice(controller, time)]), .added(service), .modified(slice(controller, time)),
                .modified(slice(headless.merging(controller) { $1 }, time)), .modified(slice(headless, time)),
                .deleted(service.key, uid: ""),
            ], took: .milliseconds(2), at: Timestamp(seconds: 10))
        var page = Exposition()
        programming.add(to: &page)
        let counts = page.text.split(separator: "\n").filter { $0.contains("_count") || $0.contains("_sum{") }.map(String.init)
        #expect(
            counts == [
                #"tulle_dns_programming_duration_seconds_sum{service_kind="cluster_ip"} 0.004"#,
                #"tulle_dns_programming_duration_seconds_count{service_kind="cluster_ip"} 2"#,
                #"tulle_dns_programming_duration_seconds_sum{service_kind="headless_with_selector"} 0.002"#,
                #"tulle_dns_programming_duration_seconds_count{service_kind="headless_with_selector"} 1"#,
                #"tulle_dns_programming_duration_seconds_sum{service_kind="headless_without_selector"} 0.002"#,
                #"tulle_dns_programming_duration_seconds_count{service_kind="headless_without_selector"} 1"#,
                #"coredns_kubernetes_dns_programming_duration_seconds_sum{service_kind="headless_with_selector"} 3"#,
                #"coredns_kubernetes_dns_programming_duration_seconds_count{service_kind="headless_with_selector"} 1"#,
            ])
    }
}

/// Asks a server on this machine's loopback, and waits ten seconds for each answer.
private final class LoopbackAsker {
    private let descriptor: CInt
    struct Silence: Error {}

    init(_ port: UInt16) throws {
        var (own, server) = (clinux_place(), clinux_place())
        (own.address.0, own.address.3) = (127, 1)
        (server.address.0, server.address.3, server.port) = (127, 1, port)
        descriptor = clinux_asking_socket(&own, &server)
        if descriptor < 0 { throw Silence() }
    }

    deinit { close(descriptor) }

    func ask(_ bytes: [UInt8]) throws -> [UInt8] {
        _ = send(descriptor, bytes, bytes.count, 0)
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        var answer = [UInt8](repeating: 0, count: 4096)
        guard poll(&ready, 1, 10_000) == 1 else { throw Silence() }
        let count = recv(descriptor, &answer, answer.count, 0)
        if count < 0 { throw Silence() }
        return Array(answer[..<count])
    }
}
