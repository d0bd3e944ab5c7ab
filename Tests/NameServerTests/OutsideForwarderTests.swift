import Addressing
import CLinux
import DNS
import Logging
import NameServer
import Synchronization
import Testing

@Suite("a forwarder and those it asks", .timeLimit(.minutes(5)))
struct OutsideForwarderTests {
    private let name = DomainName("www.example.org") ?? .root
    private var wish: OutsideWish { OutsideWish(Question(name, .a)) }

    private static func address(_ last: UInt8) -> RecordData { .a(IPv4Address(192, 0, 2, last)) }

    /// Asks through a forwarder of this test's own.
    private func heard(
        _ servers: [FakeUpstream], _ wish: OutsideWish? = nil, _ change: (inout ForwardingSettings) -> Void = { _ in }
    ) async throws -> OutsideAnswer {
        var settings = ForwardingSettings(upstreams: servers.map(\.upstream), order: .sequential)
        change(&settings)
        let forwarder = try Forwarder.started(settings)
        let answer = await forwarder.answer(wish ?? self.wish)
        forwarder.stop()
        for server in servers { await server.stop() }
        return answer
    }

    @Test("a name is asked for over UDP and remembered")
    func asked() async throws {
        let server = try FakeUpstream { heard, _ in [.send(heard.query.reply(1))] }
        let forwarder = try Forwarder.started(ForwardingSettings(upstreams: [server.upstream]))
        let answer = await forwarder.answer(wish)
        #expect(answer.code == .noError && answer.answers.map(\.data) == [Self.address(1)])
        let again = await forwarder.answer(wish)
        #expect(again.answers.map(\.data) == [Self.address(1)])
        #expect(server.heard.count == 1 && !server.heard[0].isTCP)
        let query = server.heard[0].query
        #expect(query.header.isRecursionDesired && query.edns?.udpSize == 1232 && query.edns?.options.isEmpty == true)
        let figures = forwarder.figures
        #expect(figures.memory.entries == 1 && figures.upstreams.first?.answers[.noError]?.counts.reduce(0, +) == 1)
        forwarder.stop()
        await server.stop()
    }

    @Test("each question has a port and an id of its own")
    func ports() async throws {
        let server = try FakeUpstream { heard, _ in [.send(heard.query.reply(1))] }
        let forwarder = try Forwarder.started(ForwardingSettings(upstreams: [server.upstream]))
        for number in 0..<40 {
            let name = try #require(DomainName("n\(number).example.org"))
            _ = await forwarder.answer(OutsideWish(Question(name, .a)))
        }
        #expect(Set(server.heard.map(\.port)).count > 35, "a port may come twice by chance")
        #expect(Set(server.heard.map(\.query.header.id)).count > 35)
        forwarder.stop()
        await server.stop()
    }

    @Test("many who ask the same at once have one question's answer")
    func shared() async throws {
        let isOpen = Mutex(false)
        let server = try FakeUpstream { heard, count in
            // The first is not answered before all have asked; what is sent again is.
            count == 0 && !isOpen.withLock(\.self) ? [] : [.send(heard.query.reply(1))]
        }
        let forwarder = try Forwarder.started(ForwardingSettings(upstreams: [server.upstream]))
        let answers = await withTaskGroup(of: OutsideAnswer.self) { group in
            for _ in 0..<50 { group.addTask { await forwarder.answer(OutsideWish(Question(name, .a))) } }
            isOpen.withLock { $0 = true }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count == 50 && answers.allSatisfy { $0.answers.count == 1 })
        #expect(server.heard.count <= 3, "sent again at most as often as it was not answered")
        forwarder.stop()
        await server.stop()
    }

    @Test("one that is stopped and let go of at once leaves no thread behind")
    func ended() async throws {
        for _ in 0..<50 {
            weak var memory: AnswerMemory?
            do {
                let forwarder = try Forwarder.started(ForwardingSettings())
                memory = forwarder.memory
                forwarder.stop()
            }
            // Its thread holds it as long as it runs.
            eventually("the thread ends") { memory == nil }
        }
    }

    @Test("a network that goes while thousands wait for their turn fails them all, one after the other")
    func networkGone() async throws {
        let silent = try FakeUpstream { _, _ in [] }
        var settings = ForwardingSettings(upstreams: [silent.upstream], order: .sequential, detectsLoops: false)
        settings.patience = .seconds(3)
        let forwarder = try Forwarder.started(settings)
        let answers = await withTaskGroup(of: OutsideAnswer.self) { group in
            for number in 0..<5400 {
                guard let name = DomainName("n\(number).example.org") else { continue }
                group.addTask { await forwarder.answer(OutsideWish(Question(name, .a))) }
            }
            eventually("all are under way or wait") { forwarder.figures.underWay == 5400 }
            // The kernel refuses to send to everybody, so each that comes to its turn ends within it.
            settings.upstreams = [Upstream(SocketAddress(.v4(IPv4Address(255, 255, 255, 255)), 53))]
            forwarder.use(settings)
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count == 5400 && answers.allSatisfy { $0.code == .serverFailure })
        forwarder.stop()
        await silent.stop()
    }

    @Test("a wrong id, a wrong question and a wrong sender are passed over; the true answer counts")
    func strangers() async throws {
        let server = try FakeUpstream { heard, _ in
            var wrongID = heard.query.reply(66)
            wrongID.header.id ^= 1
            var wrongQuestion = heard.query.reply(66)
            wrongQuestion.questions[0].type = .aaaa
            var notAnAnswer = heard.query.reply(66)
            notAnAnswer.header.isResponse = false
            return [
                .send(wrongID), .send(wrongQuestion), .send(notAnAnswer), .elsewhere(heard.query.reply(66)), .bytes([1, 2, 3]),
                .send(heard.query.reply(1)),
            ]
        }
        let answer = try await heard([server])
        #expect(answer.answers.map(\.data) == [Self.address(1)])
        #expect(server.heard.count == 1)
    }

    @Test("an answer that comes twice is taken once")
    func twice() async throws {
        let server = try FakeUpstream { heard, _ in [.send(heard.query.reply(1)), .send(heard.query.reply(2))] }
        let answer = try await heard([server])
        #expect(answer.answers.map(\.data) == [Self.address(1)])
    }

    @Test("records that belong to nobody's question are dropped")
    func bailiwick() async throws {
        let victim = try #require(DomainName("bank.example"))
        let server = try FakeUpstream { heard, _ in
            var message = heard.query.reply(1)
            message.answers.append(Record(victim, Self.address(66)))
            message.authorities = [Record(victim, .ns(victim))]
            message.additionals = [Record(victim, Self.address(66))]
            return [.send(message)]
        }
        let answer = try await heard([server])
        #expect(answer.answers.map(\.data) == [Self.address(1)] && answer.authorities.isEmpty)
    }

    @Test("a compression pointer that goes in a circle makes no answer; the next upstream is asked")
    func pointers() async throws {
        let bad = try FakeUpstream { heard, _ in
            let reply = heard.query.reply(1).bytes()
            // The answer's owner points at itself.
            let owner = reply.count - 16
            return [.bytes(reply[..<owner] + [0xC0, UInt8(owner)] + reply[(owner + 2)...])]
        }
        let good = try FakeUpstream { heard, _ in [.send(heard.query.reply(2))] }
        let answer = try await heard([bad, good])
        #expect(answer.answers.map(\.data) == [Self.address(2)])
    }

    @Test("a truncated answer is asked for again over TCP, up to the largest that there is")
    func large() async throws {
        let server = try FakeUpstream { heard, _ in
            var message = heard.query.reply
            guard heard.isTCP else {
                message.header.isTruncated = true
                return [.send(message)]
            }
            let name = heard.query.questions[0].name
            message.answers = (0..<1500).map { Record(name, .a(IPv4Address(rawValue: 0xC000_0200 + $0)), ttl: 60) }
            var bytes = message.bytes()
            // What stands behind the last record is passed over.
            bytes += Array(repeating: 0, count: 65535 - bytes.count)
            return [.bytes(bytes)]
        }
        let answer = try await heard([server])
        #expect(answer.answers.count == 1500)
        #expect(server.heard.map(\.isTCP) == [false, true])
    }

    @Test("thousands of records are no answer")
    func thousands() async throws {
        let server = try FakeUpstream { heard, _ in
            var message = heard.query.reply
            let name = heard.query.questions[0].name
            message.answers = (0..<4000).map { Record(name, .a(IPv4Address(rawValue: $0)), ttl: 60) }
            return [.send(message)]
        }
        let answer = try await heard([server]) { $0.upstreams[0].isTCPOnly = true }
        #expect(answer.code == .serverFailure && answer.answers.isEmpty)
    }

    @Test("truncated, and nobody there over TCP: the next upstream is asked, and without one the client hears why")
    func truncatedWithoutTCP() async throws {
        let truncating: @Sendable (FakeUpstream.Heard, Int) -> [FakeUpstream.Deed] = { heard, _ in
            var message = heard.query.reply
            message.header.isTruncated = true
            return [.send(message)]
        }
        let good = try FakeUpstream { heard, _ in [.send(heard.query.reply(2))] }
        let answer = try await heard([try FakeUpstream(isStream: false, truncating), good])
        #expect(answer.answers.map(\.data) == [Self.address(2)])
        let alone = try await heard([try FakeUpstream(isStream: false, truncating)])
        #expect(alone.code == .serverFailure && alone.error?.rawValue == ExtendedError.networkError.rawValue)
        #expect(alone.error?.text.contains("refused") == true)
    }

    @Test("a connection that ends in the middle of a message makes no answer")
    func half() async throws {
        let bad = try FakeUpstream { heard, _ in [.half(heard.query.reply(1))] }
        let silent = try FakeUpstream { _, _ in [.hangUp] }
        let good = try FakeUpstream { heard, _ in [.send(heard.query.reply(2))] }
        let answer = try await heard([bad, silent, good]) { settings in
            for index in settings.upstreams.indices { settings.upstreams[index].isTCPOnly = true }
        }
        #expect(answer.answers.map(\.data) == [Self.address(2)])
    }

    @Test("an upstream that stalls is not waited for alone; whoever answers first counts")
    func stalls() async throws {
        let silent = try FakeUpstream { _, _ in [] }
        let good = try FakeUpstream { heard, _ in [.send(heard.query.reply(2))] }
        let answer = try await heard([silent, good])
        #expect(answer.answers.map(\.data) == [Self.address(2)])
        #expect(silent.heard.count == 1)
    }

    @Test("when nobody answers in time, the client hears SERVFAIL and who was asked")
    func late() async throws {
        let silent = try FakeUpstream { _, _ in [] }
        let answer = try await heard([silent]) { $0.patience = .milliseconds(300) }
        #expect(answer.code == .serverFailure && answer.error?.rawValue == ExtendedError.noReachableAuthority.rawValue)
        #expect(answer.error?.text == "\(silent.upstream): no answer in time")
    }

    @Test("nobody listens there: that is noticed at once, and remembered for a moment")
    func dead() async throws {
        let dead = try FakeUpstream { _, _ in [] }
        await dead.stop()
        // With this patience a test that waited for it would never end.
        let answer = try await heard([dead]) { $0.patience = .seconds(3600) }
        #expect(answer.code == .serverFailure && answer.error?.rawValue == ExtendedError.networkError.rawValue)
        let nobody = try await heard([])
        #expect(nobody.code == .serverFailure && nobody.error?.text == "there is nobody to ask for this name")
    }

    @Test("an upstream that dies and comes back is asked again")
    func back() async throws {
        let first = try FakeUpstream { heard, _ in [.send(heard.query.reply(1))] }
        let forwarder = try Forwarder.started(
            ForwardingSettings(upstreams: [first.upstream]), AnswerMemory(MemorySettings(byteLimit: 0)))
        #expect(await forwarder.answer(wish).answers.count == 1)
        await first.stop()
        for _ in 0..<5 { #expect(await forwarder.answer(wish).code == .serverFailure) }
        let second = try FakeUpstream(port: first.port) { heard, _ in [.send(heard.query.reply(2))] }
        #expect(await forwarder.answer(wish).answers.map(\.data) == [Self.address(2)])
        forwarder.stop()
        await second.stop()
    }

    @Test("an upstream that does not understand EDNS is asked without it, and that is remembered")
    func withoutEDNS() async throws {
        let server = try FakeUpstream { heard, _ in
            guard heard.query.edns != nil else { return [.send(heard.query.reply(1))] }
            var refusal = heard.query.reply
            refusal.responseCode = .formatError
            refusal.questions = []
            return [.send(refusal)]
        }
        let forwarder = try Forwarder.started(ForwardingSettings(upstreams: [server.upstream]))
        #expect(await forwarder.answer(wish).answers.count == 1)
        let other = OutsideWish(Question(try #require(DomainName("other.example.org")), .a))
        #expect(await forwarder.answer(other).answers.count == 1)
        #expect(server.heard.map { $0.query.edns != nil } == [true, false, false])
        forwarder.stop()
        await server.stop()
    }

    @Test(
        "a refusal or a failure of one is not the answer; the reason of the last is told",
        arguments: [ResponseCode.refused, .serverFailure])
    func refusals(_ code: ResponseCode) async throws {
        let bad = try FakeUpstream.always { $0.responseCode = code }
        let good = try FakeUpstream { heard, _ in [.send(heard.query.reply(2))] }
        #expect(try await heard([bad, good]).answers.map(\.data) == [Self.address(2)])
        let alone = try FakeUpstream.always {
            $0.edns = EDNS(options: [.extendedError(ExtendedError(rawValue: 6, text: "bogus"))])
            $0.responseCode = code
        }
        let answer = try await heard([alone])
        #expect(answer.code == .serverFailure && answer.error == ExtendedError(rawValue: 6, text: "bogus"))
        #expect(alone.heard.count == 1, "it would say the same again")
    }
}

extension Forwarder {
    static func made(
        _ settings: ForwardingSettings, _ memory: AnswerMemory = AnswerMemory(),
        now: @escaping @Sendable () -> Duration = { .nanoseconds(clinux_clock(CLOCK_BOOTTIME)) },
        report: @escaping @Sendable (ForwardingTrouble) -> Void = { _ in }
    ) -> Forwarder {
        Forwarder(
            settings, memory: memory, now: now, random: { UInt64.random(in: 0...UInt64.max) },
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), report: report)
    }

    static func started(
        _ settings: ForwardingSettings, _ memory: AnswerMemory = AnswerMemory(),
        report: @escaping @Sendable (ForwardingTrouble) -> Void = { _ in }
    ) throws -> Forwarder {
        let forwarder = made(settings, memory, report: report)
        try forwarder.start()
        return forwarder
    }

    func answer(_ wish: OutsideWish) async -> OutsideAnswer {
        await withCheckedContinuation { continuation in resolve(wish) { continuation.resume(returning: $0) } }
    }
}
