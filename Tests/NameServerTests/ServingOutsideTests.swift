import Addressing
import DNS
import NameServer
import Testing

@Suite("names outside, served", .timeLimit(.minutes(5)))
struct ServingOutsideTests {
    private static let far = TableOfNames.address("far.example.org", "198.51.100.2")

    @Test("an alias of ours that leads outside is answered with what is there", arguments: [false, true])
    func alias(_ isStream: Bool) throws {
        let stage = try ServingStage(outside: TableOfNames(["far.example.org": Self.far]))
        let caller = try Caller(stage.place(), stream: isStream)
        let query = ServingStage.query("Ext.Shop.svc.cluster.local", edns: EDNS(udpSize: 1400))
        var framing = StreamFraming()
        if isStream { try caller.send(#require(StreamFraming.framed(query))) } else { try caller.send(query) }
        let bytes = isStream ? try #require(try caller.next(&framing)) : try caller.receive()
        let message = try Message(bytes)
        #expect(
            message.answers.map(\.description) == [
                "Ext.Shop.svc.cluster.local. 5 IN CNAME far.example.org.", "far.example.org. 60 IN A 198.51.100.2",
            ])
        #expect(message.header.id == 7 && message.header.isAuthoritative && message.header.isRecursionAvailable)
        #expect(message.header.isRecursionDesired && message.edns?.udpSize == 1232)
        // The question as it was asked, letter by letter.
        #expect(message.questions[0].name.wire == name("Ext.Shop.svc.cluster.local").wire)
    }

    @Test("an alias that leads to nothing is answered with its denial, and one that nobody could follow with a failure")
    func lost() throws {
        let stage = try ServingStage(outside: TableOfNames())
        #expect(
            try stage.ask("ext.shop.svc.cluster.local") == [
                "NXDOMAIN", "ext.shop.svc.cluster.local. 5 IN CNAME far.example.org.",
            ])
        let sick = try ServingStage(outside: TableOfNames(["far.example.org": OutsideAnswer(.serverFailure)]))
        #expect(try sick.ask("ext.shop.svc.cluster.local") == ["SERVFAIL"])
    }

    @Test("nobody outside: other names are refused, and an alias is answered as far as we know it")
    func refused() throws {
        let stage = try ServingStage()
        #expect(try stage.ask("example.org") == ["REFUSED"])
        #expect(
            try stage.ask("ext.shop.svc.cluster.local") == ["NOERROR", "ext.shop.svc.cluster.local. 5 IN CNAME far.example.org."])
    }

    @Test("what does not fit into a datagram is cut with TC, and whole over TCP")
    func size() throws {
        let many = (1...100).map { Record(name("many.example.org"), .a(IPv4Address(rawValue: 0xC633_6400 | UInt32($0)))) }
        let stage = try ServingStage(outside: TableOfNames(["many.example.org": OutsideAnswer(.noError, answers: many)]))
        let short = try Message(Caller(stage.place()).ask(ServingStage.query("many.example.org")))
        #expect(short.header.isTruncated && short.answers.isEmpty)
        let stream = try Caller(stage.place(), stream: true)
        try stream.send(#require(StreamFraming.framed(ServingStage.query("many.example.org"))))
        var framing = StreamFraming()
        let whole = try Message(#require(try stream.next(&framing)))
        #expect(whole.answers.count == 100 && !whole.header.isTruncated)
    }

    @Test("while somebody outside is waited for, others are answered; too many that wait fail at once")
    func crowd() throws {
        let table = TableOfNames(["example.org": TableOfNames.address("example.org", "198.51.100.1")], isHeld: true)
        let stage = try ServingStage(["127.0.0.1"], outside: table) { $0.mostUnderWay = 4 }
        let waiting = try (0..<4).map { number in
            let caller = try Caller(stage.place())
            try caller.send(ServingStage.query("example.org", id: UInt16(number)))
            return caller
        }
        eventually("four wait") { stage.server.figures.underWay == 4 }
        #expect(try stage.ask("web.shop.svc.cluster.local").count == 2)
        let refused = try Message(Caller(stage.place()).ask(ServingStage.query("example.org", edns: EDNS())))
        #expect(refused.responseCode == .serverFailure)
        #expect(refused.edns?.options.first?.extendedError?.text == "too many queries under way")
        table.release()
        for (number, caller) in waiting.enumerated() {
            let message = try Message(caller.receive())
            #expect(message.header.id == UInt16(number) && message.answers.count == 1)
        }
        #expect(stage.server.figures.underWay == 0 && stage.server.figures.overflows == 1)
    }

    @Test("an answer that comes after the server was stopped still goes to its client")
    func late() throws {
        let table = TableOfNames(["example.org": TableOfNames.address("example.org", "198.51.100.1")], isHeld: true)
        let stage = try ServingStage(["127.0.0.1"], outside: table)
        let place = try stage.place()
        let caller = try Caller(place)
        try caller.send(ServingStage.query("example.org"))
        eventually("it waits") { !table.asked.isEmpty }
        stage.server.stop()
        // The next server at this address gets all that comes now.
        let next = try ServingStage(["127.0.0.1"]) { $0.port = place.port }
        for _ in 0..<32 { #expect(try next.ask("web.shop.svc.cluster.local").count == 2) }
        table.release()
        #expect(try ServingStage.lines(caller.receive()) == ["NOERROR", "example.org. 60 IN A 198.51.100.1"])
    }
}
