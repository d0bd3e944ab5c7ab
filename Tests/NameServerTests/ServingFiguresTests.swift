import Addressing
import DNS
import Synchronization
import Testing

@testable import NameServer

@Suite("what a name server counts, reports and limits", .timeLimit(.minutes(5)))
struct ServingFiguresTests {
    @Test("every query and every answer is counted once, by transport and family")
    func figures() throws {
        let stage = try ServingStage(
            outside: TableOfNames(["far.example.org": TableOfNames.address("far.example.org", "198.51.100.2")]))
        _ = try stage.ask("web.shop.svc.cluster.local")
        _ = try stage.ask("web.shop.svc.cluster.local", .aaaa, family: .v6)
        _ = try stage.ask("no.shop.svc.cluster.local", .naptr)
        _ = try stage.ask("ext.shop.svc.cluster.local")
        let stream = try Caller(stage.place(), stream: true)
        try stream.send(#require(StreamFraming.framed(ServingStage.query("redis.cluster.local"))))
        var framing = StreamFraming()
        _ = try stream.next(&framing)
        let odd = try Caller(stage.place())
        try odd.send([1])
        _ = try odd.ask([0, 9, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1])

        typealias Transport = NameServerFigures.Transport
        let (udp4, udp6, tcp4) = (Transport(.udp, .v4), Transport(.udp, .v6), Transport(.tcp, .v4))
        // An answer is sent before it is counted.
        eventually("all is counted") { stage.server.figures.durations.count == 6 }
        let figures = stage.server.figures
        #expect(
            figures.requests == [
                .init(transport: udp4, type: .a): 2, .init(transport: udp4, type: nil): 2, .init(transport: udp6, type: .aaaa): 1,
                .init(transport: tcp4, type: .a): 1,
            ])
        #expect(
            figures.responses == [
                .init(transport: udp4, code: .noError): 2, .init(transport: udp4, code: .nameError): 1,
                .init(transport: udp4, code: .notImplemented): 1, .init(transport: udp6, code: .noError): 1,
                .init(transport: tcp4, code: .noError): 1,
            ])
        #expect(figures.silences == 1)
        #expect(figures.requestSizes[udp4]?.count == 4 && figures.responseSizes[udp4]?.count == 4)
        #expect(figures.requestSizes[udp4]?.sum == Double(44 + 43 + 44 + 17))
    }

    @Test("figures have CoreDNS's names, kinds and labels")
    func families() throws {
        let stage = try ServingStage()
        _ = try stage.ask("web.shop.svc.cluster.local")
        eventually("it is counted") { stage.server.figures.durations.count == 1 }
        let families = stage.server.figures.families(server: "dns://:53")
        let requests = try #require(families.first { $0.name == "coredns_dns_requests_total" })
        #expect(
            requests.samples.map(\.labels) == [
                ["server": "dns://:53", "zone": ".", "view": "", "proto": "udp", "family": "1", "type": "A"]
            ])
        #expect(requests.samples.map(\.value) == [1])
        let durations = try #require(families.first { $0.name == "coredns_dns_request_duration_seconds" })
        #expect(durations.spreads.map(\.spread.count) == [1])
        #expect(Set(families.map(\.name)).count == families.count)
    }

    @Test("a value belongs to the bucket of its bound")
    func buckets() {
        var tally = Tally()
        for bytes in [0, 100, 101, 511, 512, 65_535] { tally.answered(.noError, bytes: bytes) }
        for microseconds in [250, 251, 8_192_000, 8_192_001] as [UInt64] { tally.took(microseconds * 1000, times: 1) }
        var figures = NameServerFigures()
        tally.add(to: &figures, .init(.udp, .v4))
        #expect(figures.responseSizes[.init(.udp, .v4)]?.counts == [1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1])
        #expect(figures.durations.counts == [1, 1] + Array(repeating: 0, count: 13) + [1, 1])
        #expect(NameServerFigures.Spread.durations.last == 8.192)
    }

    @Test("a query is reported with its client's name, while it is wanted")
    func log() throws {
        let heard = Mutex<[String]>([])
        let clients = ClientNames([.v4(.loopback): .init("shop/web")])
        let table = TableOfNames(["far.example.org": TableOfNames.address("far.example.org", "198.51.100.2")])
        let stage = try ServingStage(outside: table, clients: clients) {
            $0.now = { .zero }
            $0.report = { report in heard.withLock { $0.append("\(report)") } }
        }
        _ = try stage.ask("web.shop.svc.cluster.local")
        _ = try stage.ask("no.shop.svc.cluster.local", .aaaa, family: .v6)
        _ = try stage.ask("ext.shop.svc.cluster.local")
        let stream = try Caller(stage.place(), stream: true)
        try stream.send(#require(StreamFraming.framed(ServingStage.query("redis.cluster.local"))))
        var framing = StreamFraming()
        _ = try stream.next(&framing)
        eventually("four are reported") { heard.withLock { $0.count } == 4 }
        #expect(
            heard.withLock { $0 }.sorted() == [
                "::1 udp no.shop.svc.cluster.local. IN AAAA NXDOMAIN 97 0.000 ms",
                "shop/web (127.0.0.1) tcp redis.cluster.local. IN A NOERROR 53 0.000 ms",
                "shop/web (127.0.0.1) udp ext.shop.svc.cluster.local. IN A NOERROR 89 0.000 ms",
                "shop/web (127.0.0.1) udp web.shop.svc.cluster.local. IN A NOERROR 60 0.000 ms",
            ])
        stage.server.change { $0.isLogged = false }
        _ = try stage.ask("web.shop.svc.cluster.local")
        #expect(heard.withLock { $0.count } == 4)
    }

    @Test("a network gets so many answers a second; then every second one is a wish to come over TCP")
    func limiter() {
        var limiter = ResponseLimiter(ResponseLimit(rate: 3, exempt: [IPPrefix("198.51.100.0/24")].compactMap { $0 }))
        func verdicts(_ clients: [String], _ time: UInt32) -> [ResponseLimiter.Verdict] {
            clients.compactMap { IPAddress($0) }.map { limiter.verdict(on: $0, at: time) }
        }
        // A /24 is one, so is a /56.
        #expect(
            verdicts(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"], 10) == [
                .send, .send, .send, .putOff, .keep, .putOff,
            ])
        #expect(
            verdicts(["2001:db8::1", "2001:db8:0:ff::1", "2001:db8:0:1::1", "2001:db8::2", "2001:db8::3"], 10)
                == [.send, .send, .send, .putOff, .keep])
        #expect(verdicts(Array(repeating: "198.51.100.7", count: 50), 10).allSatisfy { $0 == .send })
        #expect(verdicts(["192.0.2.9"], 11) == [.send])
    }

    @Test("as many networks as a cluster has nodes are not limited, whatever their length")
    func networks() {
        let exempt = ResponseLimit.privateNetworks + (0..<250).compactMap { IPPrefix("198.51.\($0).0/24") }
        var limiter = ResponseLimiter(ResponseLimit(rate: 1, exempt: exempt + [IPPrefix("203.0.113.9/32")].compactMap { $0 }))
        func isLimited(_ text: String) -> Bool {
            guard let address = IPAddress(text) else { return false }
            return (0..<9).map { _ in limiter.verdict(on: address, at: 1) }.contains { $0 != .send }
        }
        for inside in ["198.51.0.1", "198.51.249.255", "203.0.113.9", "10.1.2.3", "fd00::1", "127.0.0.1", "fe80::1"] {
            #expect(!isLimited(inside), "\(inside)")
        }
        for outside in ["198.51.250.1", "203.0.113.8", "172.32.0.1", "2001:db8::1"] { #expect(isLimited(outside), "\(outside)") }
    }

    @Test("names in no zone are refused while nobody is to be asked, and found out again when somebody is")
    func closed() throws {
        let table = TableOfNames(["far.example.org": TableOfNames.address("far.example.org", "198.51.100.2")])
        let stage = try ServingStage(outside: table)
        #expect(try stage.ask("far.example.org").first == "NOERROR")
        let stream = try Caller(stage.place(), stream: true)
        var framing = StreamFraming()
        for (isOpen, code) in [(false, "REFUSED"), (true, "NOERROR")] {
            stage.server.change { $0.forwards = isOpen }
            #expect(try stage.ask("far.example.org").first == code)
            try stream.send(#require(StreamFraming.framed(ServingStage.query("far.example.org"))))
            #expect(try ServingStage.lines(#require(try stream.next(&framing))).first == code)
        }
    }

    @Test("a client beyond its rate is told to come over TCP, and is served there")
    func limited() throws {
        let stage = try ServingStage(["127.0.0.1"], responseLimit: ResponseLimit(rate: 2, exempt: [])) {
            $0.threads = 1
            $0.now = { .seconds(5) }
        }
        for _ in 0..<2 { #expect(try stage.ask("web.shop.svc.cluster.local").count == 2) }
        let cut = try Message(Caller(stage.place()).ask(ServingStage.query("web.shop.svc.cluster.local", edns: EDNS())))
        #expect(cut.header.isTruncated && cut.answers.isEmpty && cut.responseCode == .noError && cut.edns != nil)
        let caller = try Caller(stage.place(), stream: true)
        try caller.send(#require(StreamFraming.framed(ServingStage.query("web.shop.svc.cluster.local"))))
        var framing = StreamFraming()
        #expect(try Message(#require(try caller.next(&framing))).answers.count == 1)
        #expect(stage.server.figures.slipped == 1)
    }
}
