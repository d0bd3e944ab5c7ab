import Addressing
import CLinux
import DNS
import Glibc
import NameServer
import Synchronization
import Testing

@Suite("who has the word on a name", .timeLimit(.minutes(5)))
struct OutsideRouteTests {
    private func name(_ text: String) throws -> DomainName { try #require(DomainName(text)) }
    private func wish(_ text: String) throws -> OutsideWish { OutsideWish(Question(try name(text), .a)) }

    /// A server that has these records, follows aliases among them, and denies everything else.
    private func server(_ lines: String) throws -> FakeUpstream {
        let records = ZoneFile(lines, of: .root).records
        return try FakeUpstream { heard, _ in
            var message = heard.query.reply
            var name = heard.query.questions[0].name
            for _ in 0..<20 {
                let here = records.filter { $0.name == name }
                message.answers += here
                guard case .cname(let target)? = here.first?.data else { break }
                name = target
            }
            if message.answers.isEmpty {
                message.responseCode = .nameError
                let soa = StartOfAuthority(primary: .root, mailbox: .root, serial: 1)
                message.authorities = [Record(.root, .soa(soa), ttl: 60)]
            }
            return [.send(message)]
        }
    }

    private func answers(
        _ names: [String], _ settings: ForwardingSettings, _ servers: [FakeUpstream]
    ) async throws -> [String] {
        let forwarder = try Forwarder.started(settings)
        var found: [String] = []
        for name in names {
            let answer = await forwarder.answer(try wish(name))
            found.append(([answer.code.description] + answer.answers.map { "\($0.data)" }).joined(separator: " "))
        }
        forwarder.stop()
        for server in servers { await server.stop() }
        return found
    }

    @Test("the longest domain that a name is inside of says who is asked")
    func longest() async throws {
        let world = try server("a.example. A 192.0.2.1\nx.corp.example. A 192.0.2.66\ncorp.example.net. A 192.0.2.4")
        let corp = try server("x.corp.example. A 192.0.2.2\nx.lab.corp.example. A 192.0.2.66")
        let lab = try server("x.lab.corp.example. A 192.0.2.3")
        let settings = ForwardingSettings(
            upstreams: [world.upstream],
            stubs: [.init(try name("corp.example"), [corp.upstream]), .init(try name("lab.corp.example"), [lab.upstream])])
        let names = ["a.example", "x.corp.example", "X.LAB.Corp.Example", "corp.example.net", "gone.lab.corp.example"]
        #expect(
            try await answers(names, settings, [world, corp, lab]) == [
                "NOERROR 192.0.2.1", "NOERROR 192.0.2.2", "NOERROR 192.0.2.3", "NOERROR 192.0.2.4", "NXDOMAIN",
            ])
    }

    @Test("a stub's server does not speak for the world: what its alias leads to is asked of who has the word on it")
    func stubLeaves() async throws {
        let world = try server("www.example. A 192.0.2.1")
        let corp = try server("x.corp.example. CNAME www.example.\nwww.example. A 192.0.2.66")
        let settings = ForwardingSettings(
            upstreams: [world.upstream], stubs: [.init(try name("corp.example"), [corp.upstream])])
        #expect(try await answers(["x.corp.example"], settings, [world, corp]) == ["NOERROR www.example. 192.0.2.1"])
    }

    @Test("nor the world for a stub")
    func worldEnters() async throws {
        let world = try server("www.example. CNAME x.corp.example.\nx.corp.example. A 192.0.2.66")
        let corp = try server("x.corp.example. A 192.0.2.2")
        let settings = ForwardingSettings(
            upstreams: [world.upstream], stubs: [.init(try name("corp.example"), [corp.upstream])])
        #expect(try await answers(["www.example"], settings, [world, corp]) == ["NOERROR x.corp.example. 192.0.2.2"])
    }

    @Test("an alias into our own zones is told, and nothing of its target is believed or asked")
    func ours() async throws {
        let world = try server("www.example. CNAME web.svc.cluster.local.\nweb.svc.cluster.local. A 192.0.2.66")
        let settings = ForwardingSettings(upstreams: [world.upstream], ownDomains: [try name("cluster.local")])
        let twice = ["www.example", "www.example"]
        #expect(
            try await answers(twice, settings, [world]) == ["NOERROR web.svc.cluster.local.", "NOERROR web.svc.cluster.local."])
        #expect(world.heard.map(\.query.questions[0].name.description) == ["www.example."], "the alias is remembered")
    }

    @Test("aliases in a ring end, in one server and between two")
    func rings() async throws {
        let one = try server("a.example. CNAME b.example.\nb.example. CNAME a.example.")
        #expect(try await answers(["a.example"], ForwardingSettings(upstreams: [one.upstream]), [one]) == ["SERVFAIL"])
        let world = try server("a.example. CNAME x.corp.example.")
        let corp = try server("x.corp.example. CNAME a.example.")
        let settings = ForwardingSettings(
            upstreams: [world.upstream], stubs: [.init(try name("corp.example"), [corp.upstream])])
        #expect(try await answers(["a.example"], settings, [world, corp]) == ["SERVFAIL"])
        #expect(world.heard.count == 1 && corp.heard.count == 1)
    }

    @Test("an alias whose target is left out is followed")
    func unfollowed() async throws {
        let server = try FakeUpstream { heard, _ in
            let target = DomainName("b.example") ?? .root
            guard heard.query.questions[0].name != target else { return [.send(heard.query.reply(1))] }
            var message = heard.query.reply
            message.answers = [Record(heard.query.questions[0].name, .cname(target), ttl: 60)]
            return [.send(message)]
        }
        let settings = ForwardingSettings(upstreams: [server.upstream])
        #expect(try await answers(["a.example"], settings, [server]) == ["NOERROR b.example. 192.0.2.1"])
    }

    @Test("a referral is no answer: the next upstream is asked")
    func referral() async throws {
        let lame = try FakeUpstream.always { message in
            message.header.isRecursionAvailable = false
            message.authorities = [Record(.root, .ns(message.questions[0].name), ttl: 60)]
        }
        let good = try server("a.example. A 192.0.2.1")
        let settings = ForwardingSettings(upstreams: [lame.upstream, good.upstream], order: .sequential)
        #expect(try await answers(["a.example"], settings, [lame, good]) == ["NOERROR 192.0.2.1"])
    }

    @Test("signatures and proofs come along only for those who want them; AD only from those we trust")
    func signatures() async throws {
        let signature = RecordData.opaque(.rrsig, [0, 1] + Array(repeating: 7, count: 30))
        let other = RecordData.opaque(.rrsig, [0, 28] + Array(repeating: 7, count: 30))
        let server = try FakeUpstream { heard, _ in
            var message = heard.query.reply(1)
            let name = heard.query.questions[0].name
            message.answers += [Record(name, signature, ttl: 60), Record(name, other, ttl: 60)]
            message.header.isAuthenticData = true
            return [.send(message)]
        }
        for isTrusted in [false, true] {
            var upstream = server.upstream
            upstream.isTrusted = isTrusted
            let forwarder = try Forwarder.started(ForwardingSettings(upstreams: [upstream]))
            var wish = try wish("a.example")
            #expect(await forwarder.answer(wish).answers.map(\.type) == [.a])
            wish.isDNSSECWanted = true
            let signed = await forwarder.answer(wish)
            #expect(signed.answers.map(\.data).dropFirst() == [signature] && signed.isAuthentic == isTrusted)
            forwarder.stop()
        }
        #expect(server.heard.map { $0.query.edns?.isDNSSECWanted } == [false, true, false, true])
        #expect(server.heard.map(\.query.header.isAuthenticData) == [false, false, true, true])
        await server.stop()
    }

    @Test("an upstream that asks us what we ask it is found out, not asked any more, and asked again when that is over")
    func loop() async throws {
        let troubles = Mutex<[ForwardingTrouble]>([])
        let door = Mutex<Forwarder?>(nil)
        // It asks us, as a resolver would whose own upstream we are.
        let server = try FakeUpstream(
            probed: { question in door.withLock(\.self)?.resolve(OutsideWish(question)) { _ in } },
            { heard, _ in [.send(heard.query.reply(1))] })
        let forwarder = Forwarder.made(
            ForwardingSettings(upstreams: [server.upstream]), report: { trouble in troubles.withLock { $0.append(trouble) } })
        door.withLock { $0 = forwarder }
        try forwarder.start()
        while troubles.withLock(\.isEmpty) { await Task.yield() }
        #expect(troubles.withLock(\.self) == [.loop(server.upstream)])
        let answer = await forwarder.answer(try wish("a.example"))
        #expect(answer.code == .serverFailure && answer.error?.text == "there is nobody to ask for this name")
        #expect(forwarder.figures.upstreams.map(\.isLoop) == [true])
        door.withLock { $0 = nil }
        forwarder.stop()
        await server.stop()
    }

    @Test("an upstream that is ourselves is never asked")
    func ourselves() async throws {
        let server = try server("a.example. A 192.0.2.1")
        let troubles = Mutex<[ForwardingTrouble]>([])
        var settings = ForwardingSettings(upstreams: [server.upstream], ownAddresses: [server.upstream.address])
        for own in [server.upstream.address, SocketAddress(.any(.v4), server.port)] {
            settings.ownAddresses = [own]
            let forwarder = try Forwarder.started(settings, report: { trouble in troubles.withLock { $0.append(trouble) } })
            #expect(await forwarder.answer(try wish("a.example")).code == .serverFailure)
            #expect(troubles.withLock { $0.removeLast() } == .ownAddress(server.upstream))
            forwarder.stop()
        }
        #expect(server.heard.isEmpty)
        await server.stop()
    }

    @Test("other settings count from the next question on; what is remembered stays")
    func settings() async throws {
        let one = try server("a.example. A 192.0.2.1")
        let two = try server("a.example. A 192.0.2.2\nb.example. A 192.0.2.2")
        let forwarder = try Forwarder.started(ForwardingSettings(upstreams: [one.upstream]))
        #expect(await forwarder.answer(try wish("a.example")).answers.count == 1)
        forwarder.use(ForwardingSettings(upstreams: [two.upstream]))
        #expect(await forwarder.answer(try wish("b.example")).answers.map(\.data) == [.a(IPv4Address(192, 0, 2, 2))])
        #expect(await forwarder.answer(try wish("a.example")).answers.map(\.data) == [.a(IPv4Address(192, 0, 2, 1))])
        #expect(forwarder.figures.upstreams.map(\.upstream) == [two.upstream])
        forwarder.stop()
        #expect(await forwarder.answer(try wish("c.example")).code == .serverFailure, "after the end nobody waits for ever")
        for server in [one, two] { await server.stop() }
    }

    @Test("when everybody is dead, the answer of the past is given, and says that it is old")
    func stale() async throws {
        let server = try server("a.example. 60 A 192.0.2.1")
        let later = Mutex(Duration.zero)
        let begin = clinux_clock(CLOCK_MONOTONIC)
        let forwarder = Forwarder.made(
            ForwardingSettings(upstreams: [server.upstream]),
            now: { later.withLock(\.self) + .nanoseconds(clinux_clock(CLOCK_MONOTONIC) - begin) })
        try forwarder.start()
        #expect(await forwarder.answer(try wish("a.example")).error == nil)
        await server.stop()
        later.withLock { $0 = .seconds(61) }
        let stale = await forwarder.answer(try wish("a.example"))
        #expect(stale.answers.map(\.data) == [.a(IPv4Address(192, 0, 2, 1))] && stale.answers.map(\.ttl) == [30])
        #expect(stale.error == .staleAnswer && forwarder.figures.memory.stale == 1)
        forwarder.stop()
    }

    @Test("letters of the question are sent in random case, and an answer that lost it is asked for over TCP")
    func randomCase() async throws {
        let long = "abcdefghijklmnopqrstuvwxyz.example"
        let honest = try server("\(long). A 192.0.2.1")
        var settings = ForwardingSettings(upstreams: [honest.upstream], randomizesCase: true)
        #expect(try await answers([long], settings, [honest]) == ["NOERROR 192.0.2.1"])
        #expect(honest.heard.count == 1 && honest.heard[0].query.questions[0].name.description != long + ".")
        let lowering = try FakeUpstream { heard, _ in
            var message = heard.query.reply(1)
            message.questions[0].name = message.questions[0].name.lowercase
            return [.send(message)]
        }
        settings.upstreams = [lowering.upstream]
        #expect(try await answers([long], settings, [lowering]) == ["NOERROR 192.0.2.1"])
        #expect(lowering.heard.map(\.isTCP) == [false, true])
    }

    @Test("all types at once are not asked for (RFC 8482)")
    func any() async throws {
        let forwarder = Forwarder.made(ForwardingSettings())
        let answer = await forwarder.answer(OutsideWish(Question(try name("a.example"), .any)))
        #expect(answer.answers.map(\.type) == [.hinfo])
    }
}
