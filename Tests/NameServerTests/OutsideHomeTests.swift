import Addressing
import DNS
import NameServer
import Testing

@Suite("aliases outside that lead to our own names", .timeLimit(.minutes(5)))
struct OutsideHomeTests {
    /// An upstream that knows these aliases, and invents an address for what they lead to; everything else has another address.
    private static func upstream(_ aliases: [String: String]) throws -> FakeUpstream {
        let targets = Dictionary(uniqueKeysWithValues: aliases.map { (name($0.key), name($0.value)) })
        return try FakeUpstream { heard, _ in
            let asked = heard.query.questions[0].name
            guard let target = targets[asked] else { return [.send(heard.query.reply(9))] }
            var message = heard.query.reply
            message.answers = [
                Record(asked, .cname(target), ttl: 300), Record(target, .a(IPv4Address(192, 0, 2, 66)), ttl: 300),
            ]
            return [.send(message)]
        }
    }

    private static func forwarder(_ upstream: FakeUpstream) throws -> Forwarder {
        try Forwarder.started(ForwardingSettings(upstreams: [upstream.upstream], ownDomains: [name("cluster.local")]))
    }

    private static func asked(_ upstream: FakeUpstream) -> [String] {
        upstream.heard.map(\.query.questions[0].name.description)
    }

    private static let alias = "www.example. 300 IN CNAME web.shop.svc.cluster.local."

    @Test("the answer is completed from our names as they are now, and nobody is asked for them", arguments: [false, true])
    func completed(_ isStream: Bool) async throws {
        let upstream = try Self.upstream(["www.example": "web.shop.svc.cluster.local"])
        let forwarder = try Self.forwarder(upstream)
        let stage = try ServingStage(["127.0.0.1"], outside: forwarder)
        func ask() throws -> Message {
            let caller = try Caller(stage.place(), stream: isStream)
            let query = ServingStage.query("WWW.example", edns: EDNS())
            guard isStream else { return try Message(caller.ask(query)) }
            try caller.send(#require(StreamFraming.framed(query)))
            var framing = StreamFraming()
            return try Message(#require(try caller.next(&framing)))
        }
        let first = try ask()
        let lines = [Self.alias, "web.shop.svc.cluster.local. 5 IN A 192.0.2.1"]
        #expect(first.answers.map { "\($0)".replacing("WWW", with: "www") } == lines)
        #expect(!first.header.isAuthoritative, "the name that was asked for is not ours")
        #expect(first.answers[0].name.wire == name("WWW.example").wire)

        // Ours changes: the alias is remembered, what it leads to is not.
        var zone = ServingStage.zone()
        zone.replace(
            "all", with: [Record(name("web.shop.svc.cluster.local"), .a(IPv4Address(192, 0, 2, 77)))])
        let changed = zone
        stage.server.change { $0.zones.set(changed) }
        let second = try ask()
        #expect(second.answers.last?.data == .a(IPv4Address(192, 0, 2, 77)))

        // And it goes: the denial is ours.
        let empty = ServingStage.emptyZone()
        stage.server.change { $0.zones.set(empty) }
        let third = try ask()
        #expect(third.responseCode == .nameError && third.answers.count == 1)
        #expect(third.authorities.map { "\($0.name) \($0.type)" } == ["cluster.local. SOA"])
        #expect(Self.asked(upstream) == ["WWW.example."])
        #expect(forwarder.figures.memory.hits == 2 && forwarder.figures.memory.misses == 1)
        forwarder.stop()
        await upstream.stop()
    }

    @Test("of a type that our name does not have there is nothing, with our SOA record")
    func noData() async throws {
        let upstream = try Self.upstream(["www.example": "db.shop.svc.cluster.local"])
        let forwarder = try Self.forwarder(upstream)
        let stage = try ServingStage(["127.0.0.1"], outside: forwarder)
        #expect(
            try stage.ask("www.example", .aaaa) == [
                "NOERROR", "www.example. 300 IN CNAME db.shop.svc.cluster.local.", "~ cluster.local. SOA",
            ])
        forwarder.stop()
        await upstream.stop()
    }

    @Test("our name may be an alias of one outside: the way is gone to its end")
    func inAndOut() async throws {
        let upstream = try Self.upstream(["www.example": "ext.shop.svc.cluster.local"])
        let forwarder = try Self.forwarder(upstream)
        let stage = try ServingStage(["127.0.0.1"], outside: forwarder)
        #expect(
            try stage.ask("www.example") == [
                "NOERROR", "www.example. 300 IN CNAME ext.shop.svc.cluster.local.",
                "ext.shop.svc.cluster.local. 5 IN CNAME far.example.org.", "far.example.org. 60 IN A 192.0.2.9",
            ])
        #expect(Self.asked(upstream) == ["www.example.", "far.example.org."])
        forwarder.stop()
        await upstream.stop()
    }

    @Test("a way that leads in and out without an end is a failure, and ends")
    func ring() async throws {
        let upstream = try Self.upstream(["far.example.org": "ext.shop.svc.cluster.local"])
        let forwarder = try Self.forwarder(upstream)
        let stage = try ServingStage(["127.0.0.1"], outside: forwarder)
        let message = try Message(Caller(stage.place()).ask(ServingStage.query("far.example.org", edns: EDNS())))
        #expect(message.responseCode == .serverFailure && message.answers.isEmpty)
        #expect(message.edns?.options.compactMap(\.extendedError).first?.text.contains("without an end") == true)
        #expect(try stage.ask("ext.shop.svc.cluster.local") == ["SERVFAIL"], "the same, begun at ours")
        #expect(Self.asked(upstream) == ["far.example.org."], "it is remembered")
        forwarder.stop()
        await upstream.stop()
    }

    @Test("before our names are known the answer is a failure that says so")
    func notReady() async throws {
        let upstream = try Self.upstream(["www.example": "web.shop.svc.cluster.local"])
        let forwarder = try Self.forwarder(upstream)
        let stage = try ServingStage(["127.0.0.1"], outside: forwarder)
        let unknown = ServingStage.emptyZone(isComplete: false)
        stage.server.change { $0.zones.set(unknown) }
        let message = try Message(Caller(stage.place()).ask(ServingStage.query("www.example", edns: EDNS())))
        #expect(message.responseCode == .serverFailure)
        #expect(message.edns?.options.compactMap(\.extendedError).map(\.rawValue) == [ExtendedError.notReady.rawValue])
        forwarder.stop()
        await upstream.stop()
    }

    @Test("a domain that becomes ours: what others said of it is forgotten")
    func becomesOurs() async throws {
        let upstream = try Self.upstream(["www.example": "web.shop.svc.cluster.local"])
        let settings = ForwardingSettings(upstreams: [upstream.upstream])
        let forwarder = try Forwarder.started(settings)
        let stage = try ServingStage(["127.0.0.1"], outside: forwarder)
        #expect(try stage.ask("www.example").last == "web.shop.svc.cluster.local. 300 IN A 192.0.2.66")
        var own = settings
        own.ownDomains = [name("cluster.local")]
        forwarder.use(own)
        // The forwarder's thread hears of it when it comes to it.
        try eventually("it is forgotten") { try stage.ask("www.example").last == "web.shop.svc.cluster.local. 5 IN A 192.0.2.1" }
        forwarder.stop()
        await upstream.stop()
    }
}

extension ServingStage {
    fileprivate static func emptyZone(isComplete: Bool = true) -> Zone {
        let server = name("ns.dns.cluster.local")
        let authority = StartOfAuthority(primary: server, mailbox: name("hostmaster.cluster.local"), serial: 1)
        return Zone(name("cluster.local"), authority: authority, nameServers: [server], isComplete: isComplete)
    }
}
