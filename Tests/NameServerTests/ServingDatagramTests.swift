import Addressing
import CLinux
import DNS
import Glibc
import Logging
import NameServer
import Testing

@Suite("names over UDP", .timeLimit(.minutes(5)))
struct ServingDatagramTests {
    @Test("a name of a zone is answered over both families", arguments: IPFamily.allCases)
    func families(_ family: IPFamily) throws {
        let stage = try ServingStage()
        #expect(
            try stage.ask("web.shop.svc.cluster.local", family: family) == [
                "NOERROR", "web.shop.svc.cluster.local. 5 IN A 192.0.2.1",
            ])
        #expect(try stage.ask("no.shop.svc.cluster.local", family: family) == ["NXDOMAIN", "~ cluster.local. SOA"])
    }

    @Test(
        "at an address of all, the answer comes from the one that was asked",
        arguments: [("0.0.0.0", "127.0.0.77"), ("::", "::1")])
    func wildcard(_ listening: String, _ asked: String) throws {
        let stage = try ServingStage([listening])
        let address = try #require(IPAddress(asked))
        // A connected socket hears only of the address that it is connected to.
        let caller = try Caller(SocketAddress(address, stage.server.addresses[0].port))
        #expect(try ServingStage.lines(caller.ask(ServingStage.query("db.shop.svc.cluster.local"))).count == 2)
    }

    @Test("a thousand queries at once are all answered, each with its id")
    func burst() throws {
        let stage = try ServingStage()
        let caller = try Caller(stage.place())
        var ids: Set<UInt16> = []
        for round in 0..<20 {
            for number in 0..<50 {
                try caller.send(ServingStage.query("web.shop.svc.cluster.local", id: UInt16(round * 50 + number)))
            }
            for _ in 0..<50 { ids.insert(try Message(caller.receive()).header.id) }
        }
        #expect(ids.count == 1000)
    }

    @Test(
        "what is no query is answered as the RFCs say, and the next one is served",
        arguments: [
            // Nothing to answer: an answer could go round for ever.
            ([], nil), ([1, 2, 3], nil), (ServingStage.response, nil),
            // A header, then nothing of what it promises.
            ([0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], ResponseCode.formatError),
            // A name that points to itself.
            ([0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 1, 0, 1], .formatError),
            // An update.
            ([0, 9, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1], .notImplemented),
            // Beyond what is read of a datagram: the last option does not end.
            (ServingStage.query("web.shop.svc.cluster.local", edns: EDNS(options: [.padding(4000)])), .formatError),
        ] as [([UInt8], ResponseCode?)])
    func malformed(_ packet: [UInt8], _ code: ResponseCode?) throws {
        let stage = try ServingStage()
        let caller = try Caller(stage.place())
        try caller.send(packet)
        if let code { #expect(try Message(caller.receive()).responseCode == code) }
        // A silent server would have its first answer be the one to this.
        let answer = try Message(caller.ask(ServingStage.query("web.shop.svc.cluster.local", id: 77)))
        #expect(answer.header.id == 77 && answer.responseCode == .noError)
    }

    @Test("names that change are answered anew as soon as the change has returned")
    func change() throws {
        let stage = try ServingStage()
        let caller = try Caller(stage.place())
        for last in 1...200 {
            stage.server.change { names in
                var zone = names.zones[name("cluster.local")] ?? ServingStage.zone()
                let address = IPAddress.v4(IPv4Address(rawValue: 0xC633_6400 | UInt32(last)))
                zone.replace("new", with: [Record(name("new.cluster.local"), .address(address))])
                names.zones.set(zone)
            }
            let lines = try ServingStage.lines(caller.ask(ServingStage.query("new.cluster.local")))
            #expect(lines == ["NOERROR", "new.cluster.local. 5 IN A 198.51.100.\(last)"])
        }
    }

    @Test("a port that is taken is told, with what to do, and leaves nothing open")
    func taken() throws {
        let stage = try ServingStage(["127.0.0.1"])
        let port = try stage.place().port
        let other = DNSServer(
            NameServerSettings(addresses: [.v4(.loopback)], port: port, threads: 1, now: { .zero }), outside: nil,
            logger: .init(label: "test"))
        // UDP is shared among servers, so that one can follow another; TCP is not.
        let failure = #expect(throws: NameServerFailure.self) { try other.start() }
        #expect(failure?.errno == EADDRINUSE && failure?.transport == .tcp)
        #expect(failure?.description.contains("another name server is there") == true)
        // All of its sockets are gone: every client is answered by the first server.
        for _ in 0..<32 { #expect(try stage.ask("redis.cluster.local").count == 2) }
    }

    @Test(
        "an address that the node does not have is told, or waited for where that is wanted",
        arguments: ["192.0.2.53", "2001:db8::53"])
    func absent(_ address: String) throws {
        let failure = #expect(throws: NameServerFailure.self) { _ = try ServingStage([address]) }
        #expect(failure?.errno == EADDRNOTAVAIL)
        let stage = try ServingStage([address]) { $0.mayBindAbsent = true }
        #expect(stage.server.addresses.count == 1)
    }

    @Test("a server that stops answers what came, and its place is taken without a lost query")
    func succession() throws {
        let first = try ServingStage(["127.0.0.1"])
        let port = try first.place().port
        let callers = try (0..<16).map { _ in try Caller(first.place()) }
        let query = ServingStage.query("web.shop.svc.cluster.local")
        for caller in callers { try caller.send(query) }
        first.server.stop()
        for caller in callers { #expect(try ServingStage.lines(caller.receive()).count == 2) }
        let second = try ServingStage(["127.0.0.1"]) { $0.port = port }
        for caller in callers { #expect(try ServingStage.lines(caller.ask(query)).count == 2) }
        second.server.stop()
    }
}

extension ServingStage {
    /// An answer, as if it were a query.
    static var response: [UInt8] {
        var bytes = query("web.shop.svc.cluster.local")
        bytes[2] |= 0x80
        return bytes
    }
}
