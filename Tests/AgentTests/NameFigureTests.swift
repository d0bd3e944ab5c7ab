import Addressing
import CLinux
import DNS
import Glibc
import KubeAPI
import KubeClient
import Logging
import NameServer
import Plan
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

    @Test(
        "each change that gives others names is counted by the kind of its service, and since what caused it where that is known")
    func programming() throws {
        func service(_ name: String, _ body: String) -> String {
            #"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "\#(name)", "namespace": "shop"}, "spec": {\#(body)}}"#
        }
        func slice(_ name: String, of service: String, _ address: String) -> String {
            """
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "\(name)", "namespace": "shop",
             "labels": {"kubernetes.io/service-name": "\(service)"}, "annotations": {"\(AgentFigures.triggerAnnotation)":
             "1970-01-01T00:00:07Z"}}, "addressType": "IPv4", "endpoints": [{"addresses": ["\(address)"]}]}
            """
        }
        func object(_ text: String) throws -> any KubernetesObject {
            try #require(Registry.standard.read(try JSONReader().value(text)).object, "\(text)")
        }
        let web = try object(service("web", #""clusterIPs": ["10.96.0.1"]"#))
        let label = try object(service("web", #""clusterIPs": ["10.96.0.1"], "selector": {"app": "web"}"#))
        let db = try object(service("db", #""clusterIPs": ["None"], "selector": {"app": "db"}"#))
        let dbSlice = try object(slice("db-1", of: "db", "192.0.2.1"))
        let old = try object(service("old", #""clusterIPs": ["None"]"#))
        let oldSlice = try object(slice("old-1", of: "old", "192.0.2.9"))
        let oldSelected = try object(service("old", #""clusterIPs": ["None"], "selector": {"app": "old"}"#))
        let unready = try object(
            slice("old-2", of: "old", "192.0.2.10").replacing(
                "[\"192.0.2.10\"]", with: "[\"192.0.2.10\"], \"conditions\": {\"ready\": false}"))
        var feed = NameFeed(NamePlan(), knowsClients: false)
        var programming = NameProgramming()
        func take(_ events: [ObjectEvent]) {
            var changes: [NamedChange] = []
            _ = feed.take(events, &changes)
            programming.observe(changes, took: .milliseconds(2), at: Timestamp(seconds: 10))
        }
        take([.listed([web, db, dbSlice]), .modified(try object(slice("db-1", of: "db", "192.0.2.2")))])
        #expect(counts(programming) == [], "what was there already did not change")
        // Addresses of endpoints give a service with an address of its own no names, nor does a selector.
        take([.modified(label), .added(try object(slice("web-1", of: "web", "192.0.2.3"))), .modified(dbSlice)])
        #expect(counts(programming) == ["headless_with_selector 0.002 1", "since 3 1"])
        // Without endpoints a headless service has no name; who finds them is of no matter to it, nor are those that are not ready.
        take([.added(old), .added(oldSlice), .modified(oldSlice), .modified(db)])
        #expect(counts(programming) == ["headless_with_selector 0.002 1", "headless_without_selector 0.002 1", "since 3 1"])
        take([.modified(oldSelected), .added(unready), .modified(old)])
        #expect(counts(programming) == ["headless_with_selector 0.002 1", "headless_without_selector 0.002 1", "since 3 1"])
        take([.deleted(dbSlice.key, uid: ""), .deleted(web.key, uid: ""), .deleted(web.key, uid: "")])
        #expect(
            counts(programming) == [
                "cluster_ip 0.002 1", "headless_with_selector 0.004 2", "headless_without_selector 0.002 1", "since 3 1",
            ])
        // The change that follows counts as of the kind that the service has become.
        take([.modified(oldSelected), .modified(try object(slice("old-1", of: "old", "192.0.2.8")))])
        #expect(counts(programming).contains("headless_with_selector 0.006 3") && counts(programming).contains("since 6 2"))
    }

    /// The sum and the count of each kind of service.
    private func counts(_ programming: NameProgramming) -> [String] {
        var page = Exposition()
        programming.add(to: &page)
        let values = page.text.split(separator: "\n").filter { $0.contains("_count") || $0.contains("_sum{") }.map {
            (name: $0.split(separator: "{")[0], kind: $0.split(separator: "\"")[1], value: $0.split(separator: " ")[1])
        }
        return stride(from: 0, to: values.count, by: 2).map { place in
            let (sum, count) = (values[place], values[place + 1])
            let isOwn = sum.name == "tulle_dns_programming_duration_seconds_sum"
            return "\(isOwn ? String(sum.kind) : "since") \(sum.value) \(count.value)"
        }
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
