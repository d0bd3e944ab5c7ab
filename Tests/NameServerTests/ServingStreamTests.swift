import Addressing
import DNS
import NameServer
import Testing

@Suite("names over TCP", .timeLimit(.minutes(5)))
struct ServingStreamTests {
    private static func framed(_ message: [UInt8]) throws -> [UInt8] { try #require(StreamFraming.framed(message)) }

    @Test("queries come in one piece or byte by byte, and are all answered", arguments: IPFamily.allCases)
    func pieces(_ family: IPFamily) throws {
        let stage = try ServingStage()
        var framing = StreamFraming()
        let caller = try Caller(stage.place(family), stream: true)
        let names = ["web.shop.svc", "db.shop.svc", "no.shop.svc"]
        let queries = try names.enumerated().map { try Self.framed(ServingStage.query("\($1).cluster.local", id: UInt16($0))) }
        try caller.send(queries.flatMap { $0 })
        for byte in queries[0] { try caller.send([byte]) }
        var codes: [String] = []
        for _ in 0..<4 { codes.append("\(try Message(#require(try caller.next(&framing))).responseCode)") }
        #expect(codes == ["NOERROR", "NOERROR", "NXDOMAIN", "NOERROR"])
    }

    // A service of 2,700 endpoints had no endpoint for who asked for SRV records.
    @Test("of a set that no message holds as many records are told as fit, with TC set")
    func large() throws {
        let stage = try ServingStage()
        var zone = ServingStage.zone()
        let records = (0..<5000).map { number in
            Record(name("large.cluster.local"), .address(IPAddress(family: .v4, number: 0xC000_0000 + UInt128(number))))
        }
        zone.replace("large", with: ZoneContent(records))
        stage.server.serve(ServedNames(zones: Zones([zone])))
        var framing = StreamFraming()
        let caller = try Caller(stage.place(), stream: true)
        try caller.send(Self.framed(ServingStage.query("large.cluster.local")))
        let answer = try Message(#require(try caller.next(&framing)))
        #expect(answer.header.isTruncated && answer.answers.count > 4000, "\(answer.answers.count)")
        // Over UDP nobody takes a part for the whole.
        let datagram = try Message(Caller(stage.place()).ask(ServingStage.query("large.cluster.local")))
        #expect(datagram.header.isTruncated && datagram.answers.isEmpty)
    }

    @Test("a query that waits for the world outside holds up none behind it")
    func order() throws {
        let table = TableOfNames(["example.org": TableOfNames.address("example.org", "198.51.100.1")], isHeld: true)
        let stage = try ServingStage(outside: table)
        var framing = StreamFraming()
        let caller = try Caller(stage.place(), stream: true)
        try caller.send(
            Self.framed(ServingStage.query("example.org", id: 1)) + Self.framed(ServingStage.query("redis.cluster.local", id: 2)))
        #expect(try Message(#require(try caller.next(&framing))).header.id == 2)
        table.release()
        #expect(try Message(#require(try caller.next(&framing))).header.id == 1)
    }

    @Test("a client that has said all it wants still gets every answer, and then the end")
    func halfClosed() throws {
        let table = TableOfNames(["example.org": TableOfNames.address("example.org", "198.51.100.1")], isHeld: true)
        let stage = try ServingStage(outside: table)
        var framing = StreamFraming()
        let caller = try Caller(stage.place(), stream: true)
        for id in 0..<500 { try caller.send(Self.framed(ServingStage.query("web.shop.svc.cluster.local", id: UInt16(id)))) }
        try caller.send(Self.framed(ServingStage.query("example.org", id: 500)))
        caller.endSending()
        for id in 0..<500 { #expect(try Message(#require(try caller.next(&framing))).header.id == UInt16(id)) }
        table.release()
        #expect(try Message(#require(try caller.next(&framing))).header.id == 500)
        #expect(try caller.next(&framing) == nil)
    }

    @Test(
        "who sends what is no query is hung up on",
        arguments: [[0, 0], [0, 3, 1, 2, 3], [0, 12] + Array(ServingStage.response.prefix(12))])
    func noQuery(_ bytes: [UInt8]) throws {
        let stage = try ServingStage()
        let caller = try Caller(stage.place(), stream: true)
        try caller.send(bytes)
        #expect(try caller.receive().isEmpty)
        #expect(try stage.ask("web.shop.svc.cluster.local").count == 2)
    }

    @Test("who sends no whole query for as long as the limit is hung up on; who waits for the world outside is not")
    func idle() throws {
        let table = TableOfNames(["example.org": TableOfNames.address("example.org", "198.51.100.1")], isHeld: true)
        let stage = try ServingStage(outside: table) { $0.streams.idle = .milliseconds(100) }
        let waiting = try Caller(stage.place(), stream: true)
        try waiting.send(Self.framed(ServingStage.query("example.org", id: 9)))
        let still = try Caller(stage.place(), stream: true)
        try still.send([0, 50, 1, 2, 3])
        #expect(try still.receive().isEmpty)
        table.release()
        var framing = StreamFraming()
        #expect(try Message(#require(try waiting.next(&framing))).header.id == 9)
    }

    @Test("who asks and never reads is hung up on, and makes the server hold little")
    func slowReader() throws {
        let stage = try ServingStage { $0.streams.idle = .milliseconds(300) }
        let caller = try Caller(stage.place(), stream: true)
        let query = try Self.framed(ServingStage.query("web.shop.svc.cluster.local"))
        let piece = (0..<1000).flatMap { _ in query }
        // The server stops reading, then closes; a client's write fails at the latest then.
        #expect(throws: Caller.Silence.self) { for _ in 0..<10_000 { try caller.send(piece) } }
        eventually("the connection is gone") { stage.server.figures.connections == 0 }
    }

    @Test("beyond the limit of a client, and of all, connections are closed at once; when one ends there is room again")
    func limits() throws {
        let stage = try ServingStage {
            $0.streams.mostOfClient = 2
            $0.streams.most = 3
        }
        var framing = StreamFraming()
        let query = try Self.framed(ServingStage.query("web.shop.svc.cluster.local"))
        func isServed(_ caller: Caller) throws -> Bool {
            // Who is hung up on may be told by a reset.
            guard (try? caller.send(query)) != nil, let answer = try? caller.next(&framing) else { return false }
            return !answer.isEmpty
        }
        var first: Caller? = try Caller(stage.place(), stream: true)
        let second = try Caller(stage.place(), stream: true)
        #expect(try isServed(#require(first)))
        #expect(try isServed(second))
        #expect(try !isServed(Caller(stage.place(), stream: true)))
        let third = try Caller(stage.place(), stream: true, from: "127.0.0.9")
        #expect(try isServed(third))
        #expect(try !isServed(Caller(stage.place(), stream: true, from: "127.0.0.10")))
        #expect(stage.server.figures.refusedConnections == 2)
        first = nil
        eventually("one is gone") { stage.server.figures.connections == 2 }
        #expect(try isServed(Caller(stage.place(), stream: true)))
    }

    @Test("a server that stops closes idle connections, and answers first where something is under way")
    func stop() throws {
        let table = TableOfNames(["example.org": TableOfNames.address("example.org", "198.51.100.1")], isHeld: true)
        let stage = try ServingStage(outside: table)
        let idle = try Caller(stage.place(), stream: true)
        let waiting = try Caller(stage.place(), stream: true)
        try waiting.send(Self.framed(ServingStage.query("example.org", id: 9)))
        eventually("it waits") { stage.server.figures.underWay == 1 && stage.server.figures.connections == 2 }
        stage.server.stop()
        #expect(try idle.receive().isEmpty)
        table.release()
        var framing = StreamFraming()
        #expect(try Message(#require(try waiting.next(&framing))).header.id == 9)
        #expect(try waiting.next(&framing) == nil)
    }
}
