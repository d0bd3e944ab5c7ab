import Addressing
import DNS
import Testing

@testable import NameServer

@Suite("what is remembered of the world outside")
struct MemoryTests {
    private let name = DomainName(labels: ["www", "example", "org"].map { Array($0.utf8) }) ?? .root
    private let settings = MemorySettings(prefetch: nil)

    private func address(_ last: UInt8, ttl: TimeToLive = 60) -> Record {
        Record(name, .a(IPv4Address(192, 0, 2, last)), ttl: ttl)
    }

    private var wish: OutsideWish { OutsideWish(Question(name, .a)) }

    private static func soa(ttl: TimeToLive, minimum: UInt32) -> Record {
        let zone = DomainName("example.org") ?? .root
        return Record(zone, .soa(StartOfAuthority(primary: zone, mailbox: zone, serial: 1, minimum: minimum)), ttl: ttl)
    }

    @Test("an answer is given in the case of each question, with its time counted down")
    func countdown() throws {
        let memory = AnswerMemory(settings)
        memory.keep(OutsideAnswer(.noError, answers: [address(1)]), to: wish, now: .seconds(100))
        let asked = try #require(DomainName("WwW.eXample.ORG"))
        let answer = try #require(memory.ask(Question(asked, .a), at: .seconds(130)))
        #expect(answer.questions[0].name.wire == asked.wire)
        #expect(answer.answers.map(\.ttl) == [30])
        #expect(answer.answers[0].name.wire == asked.wire, "the answer's name points to the question")
        #expect(answer.answers[0].data == .a(IPv4Address(192, 0, 2, 1)))
        #expect(answer.header.isResponse && answer.header.isRecursionAvailable && !answer.header.isAuthoritative)
        #expect(memory.ask(Question(asked, .a), at: .seconds(160)) == nil, "its time is over")
        #expect(memory.ask(Question(asked, .aaaa), at: .seconds(130)) == nil, "of another type nothing is known")
    }

    @Test("with signatures is another question, and so is without checking")
    func flags() throws {
        let memory = AnswerMemory(settings)
        memory.keep(
            OutsideAnswer(.noError, answers: [address(1)]), to: OutsideWish(wish.question, isDNSSECWanted: true), now: .zero)
        #expect(memory.ask(wish.question, at: .seconds(1)) == nil)
        #expect(memory.ask(wish.question, at: .seconds(1), edns: EDNS(isDNSSECWanted: true)) != nil)
        #expect(memory.ask(wish.question, at: .seconds(1), edns: EDNS(isDNSSECWanted: true), isCheckingDisabled: true) == nil)
    }

    @Test("that it was validated is said to those who know what that means")
    func authentic() throws {
        let memory = AnswerMemory(settings)
        memory.keep(OutsideAnswer(.noError, answers: [address(1)], isAuthentic: true), to: wish, now: .zero)
        #expect(memory.ask(wish.question, at: .zero)?.header.isAuthenticData == false)
        #expect(memory.ask(wish.question, at: .zero, isAuthenticityWanted: true)?.header.isAuthenticData == true)
    }

    @Test(
        "a denial is kept for the lesser of its SOA record's TTL and minimum",
        arguments: [(300, 40), (40, 300)] as [(UInt32, UInt32)])
    func denial(_ ttl: UInt32, _ minimum: UInt32) throws {
        let memory = AnswerMemory(settings)
        let denial = OutsideAnswer(.nameError, authorities: [Self.soa(ttl: TimeToLive(seconds: ttl), minimum: minimum)])
        memory.keep(denial, to: wish, now: .zero)
        let answer = try #require(memory.ask(wish.question, at: .seconds(30)))
        #expect(answer.responseCode == .nameError)
        #expect(answer.authorities.map(\.ttl) == [10])
        #expect(memory.ask(wish.question, at: .seconds(40)) == nil)
        #expect(memory.figures.denials == 1 && memory.figures.misses == 1)
    }

    @Test("a denial without an SOA record is told and not kept, and so is what may live for no time")
    func unkept() {
        let memory = AnswerMemory(settings)
        memory.keep(OutsideAnswer(.nameError), to: wish, now: .zero)
        memory.keep(OutsideAnswer(.noError), to: OutsideWish(Question(name, .aaaa)), now: .zero)
        memory.keep(OutsideAnswer(.noError, answers: [address(1, ttl: 0)]), to: OutsideWish(Question(name, .mx)), now: .zero)
        #expect(memory.figures.entries == 0)
    }

    @Test("times are kept within the limits of their kind")
    func limits() {
        let memory = AnswerMemory(
            MemorySettings(answers: .seconds(5)...(.seconds(600)), denials: .seconds(7)...(.seconds(9)), prefetch: nil))
        let short = memory.keep(OutsideAnswer(.noError, answers: [address(1, ttl: 0)]), to: wish, now: .zero)
        #expect(short.answers.map(\.ttl) == [5], "who waits is told what those who ask later are told")
        #expect(memory.ask(wish.question, at: .seconds(4))?.answers.map(\.ttl) == [1])
        memory.keep(OutsideAnswer(.noError, answers: [address(1, ttl: 2_147_483_647)]), to: wish, now: .zero)
        #expect(memory.ask(wish.question, at: .zero)?.answers.map(\.ttl) == [600])
        memory.keep(OutsideAnswer(.nameError, authorities: [Self.soa(ttl: 3600, minimum: 3600)]), to: wish, now: .zero)
        #expect(memory.ask(wish.question, at: .zero)?.authorities.map(\.ttl) == [9])
    }

    @Test("the records of a set have one time, the least")
    func oneTime() {
        let memory = AnswerMemory(settings)
        memory.keep(OutsideAnswer(.noError, answers: [address(1, ttl: 60), address(2, ttl: 20)]), to: wish, now: .zero)
        #expect(memory.ask(wish.question, at: .zero)?.answers.map(\.ttl) == [20, 20])
    }

    @Test("the addresses of a set come in another order each time, aliases before them")
    func rotation() throws {
        let memory = AnswerMemory(settings)
        let target = try #require(DomainName("a.cdn.example.net"))
        let addresses = (1...3).map { Record(target, .a(IPv4Address(192, 0, 2, $0)), ttl: 60) }
        memory.keep(
            OutsideAnswer(.noError, answers: [Record(name, .cname(target), ttl: 60)] + addresses), to: wish, now: .zero)
        for rotation in 0..<7 as Range<UInt32> {
            let answer = try #require(memory.ask(wish.question, at: .zero, rotation: rotation))
            let turned = (0..<3).map { addresses[(Int(rotation) + $0) % 3] }
            #expect(answer.answers.map(\.data) == [.cname(target)] + turned.map(\.data))
            #expect(answer.answers.dropFirst().allSatisfy { $0.name == target && $0.ttl == 60 })
        }
    }

    @Test("what does not fit is left out by whole sets, or by records if that is wanted; TC says so")
    func truncation() throws {
        let memory = AnswerMemory(settings)
        let many = (1...100).map { address($0) }
        memory.keep(OutsideAnswer(.noError, answers: many), to: wish, now: .zero)
        let whole = try #require(memory.ask(wish.question, at: .zero))
        #expect(whole.header.isTruncated && whole.answers.isEmpty)
        let some = try #require(memory.ask(wish.question, at: .zero, truncation: .records))
        #expect(some.header.isTruncated && some.answers.count == (512 - 12 - 21) / 16)
        let edns = try #require(memory.ask(wish.question, at: .zero, edns: EDNS(), truncation: .records))
        #expect(edns.header.isTruncated && edns.answers.count == (1232 - 12 - 21 - 11) / 16 && edns.edns != nil)
        let tcp = try #require(memory.ask(wish.question, at: .zero, transport: .tcp))
        #expect(!tcp.header.isTruncated && tcp.answers.count == 100)
    }

    @Test("an answer whose time is over is given when nobody can be asked, says so, and nobody is asked for a while")
    func stale() throws {
        let memory = AnswerMemory(settings)
        memory.keep(OutsideAnswer(.noError, answers: [address(1)]), to: wish, now: .zero)
        #expect(memory.stale(wish, now: .seconds(59)) == nil, "it is not over yet")
        #expect(memory.ask(wish.question, at: .seconds(61), edns: EDNS()) == nil, "somebody is asked first")
        let told = try #require(memory.stale(wish, now: .seconds(61)))
        #expect(told.answers.map(\.ttl) == [30] && told.error == .staleAnswer)

        memory.keep(OutsideAnswer(.serverFailure), to: wish, now: .seconds(62))
        let answer = try #require(memory.ask(wish.question, at: .seconds(63), edns: EDNS()))
        #expect(answer.answers.map(\.ttl) == [30])
        #expect(answer.edns?.options.compactMap(\.extendedError).map(\.rawValue) == [3])
        #expect(memory.ask(wish.question, at: .seconds(93)) == nil, "it is tried again")
        #expect(memory.stale(wish, now: .seconds(3661)) == nil, "too old")
    }

    @Test("a failure is remembered for a moment, and never in the place of an answer that is still good")
    func failures() throws {
        let memory = AnswerMemory(settings)
        memory.keep(OutsideAnswer(.serverFailure, error: .networkError), to: wish, now: .zero)
        let answer = try #require(memory.ask(wish.question, at: .seconds(1), edns: EDNS()))
        #expect(answer.responseCode == .serverFailure)
        #expect(answer.edns?.options.compactMap(\.extendedError).map(\.rawValue) == [23])
        #expect(memory.ask(wish.question, at: .seconds(2)) == nil)

        memory.keep(OutsideAnswer(.noError, answers: [address(1)]), to: wish, now: .seconds(2))
        memory.keep(OutsideAnswer(.serverFailure), to: wish, now: .seconds(3))
        #expect(memory.ask(wish.question, at: .seconds(4))?.answers.count == 1)
    }

    @Test("a name that is asked for often is asked for again before its time is over, once in a while")
    func prefetch() throws {
        let memory = AnswerMemory(MemorySettings(prefetch: .init(leastUses: 3, percentage: 10)))
        memory.keep(OutsideAnswer(.noError, answers: [address(1, ttl: 100)]), to: wish, now: .zero)
        let wanted = [1, 50, 91, 92, 93, 97, 99].map { memory.hit(wish.question, at: .seconds($0))?.isRefreshWanted }
        #expect(wanted == [false, false, true, false, false, true, false])
        #expect(memory.figures.prefetches == 2)
    }

    @Test("memory has a limit: names asked for once go before those that are asked for again and again")
    func bounded() throws {
        let memory = AnswerMemory(MemorySettings(byteLimit: 200_000, prefetch: nil))
        let hot = (0..<20).compactMap { DomainName("hot-\($0).example.org") }.map { Question($0, .a) }
        for question in hot { memory.keep(.address(question.name), to: OutsideWish(question), now: .zero) }
        for number in 0..<5000 {
            let name = try #require(DomainName("once-\(number).example.org"))
            memory.keep(.address(name), to: OutsideWish(Question(name, .a)), now: .zero)
            if number.isMultiple(of: 10) { for question in hot { _ = memory.ask(question, at: .zero) } }
        }
        let figures = memory.figures
        #expect(figures.bytes <= 200_000 && figures.entries > 300 && figures.evictions == UInt64(5020 - figures.entries))
        #expect(hot.allSatisfy { memory.ask($0, at: .zero) != nil })
        memory.settings.byteLimit = 50_000
        #expect(memory.figures.bytes <= 50_000)
        memory.forget()
        #expect(memory.figures.entries == 0 && memory.figures.bytes == 0)
    }

    @Test("a memory of no bytes remembers nothing, and one answer never fills a memory")
    func none() {
        let memory = AnswerMemory(MemorySettings(byteLimit: 0))
        memory.keep(OutsideAnswer(.noError, answers: [address(1)]), to: wish, now: .zero)
        #expect(memory.figures.entries == 0)
        let small = AnswerMemory(MemorySettings(byteLimit: 16 * 4096))
        small.keep(OutsideAnswer(.noError, answers: (1...200).map { address($0) }), to: wish, now: .zero)
        #expect(small.figures.entries == 0)
    }

    @Test(
        "it says what a slow, plain memory says, whatever is told and asked in which order",
        arguments: 1...5 as ClosedRange<UInt64>)
    func model(_ seed: UInt64) throws {
        var dice = RepeatableDice(seed: seed)
        let memory = AnswerMemory(settings)
        var model: [OutsideWish: (answer: OutsideAnswer, born: Int, end: Int)] = [:]
        var now = 0
        for step in 0..<4000 {
            now += Int.random(in: 0...3, using: &dice)
            let name = try #require(DomainName("n\(Int.random(in: 0..<300, using: &dice)).example.org"))
            let wish = OutsideWish(Question(name, .a), isDNSSECWanted: Bool.random(using: &dice))
            if Bool.random(using: &dice) {
                let ttl = UInt32.random(in: 0...40, using: &dice)
                let answer = OutsideAnswer(
                    .noError,
                    answers: (0..<Int.random(in: 1...4, using: &dice)).map {
                        Record(name, .a(IPv4Address(192, 0, 2, UInt8($0))), ttl: TimeToLive(seconds: ttl))
                    })
                memory.keep(answer, to: wish, now: .seconds(now))
                if ttl > 0 { model[wish] = (answer, now, now + Int(ttl)) }
            }
            let edns = wish.isDNSSECWanted ? EDNS(isDNSSECWanted: true) : nil
            let heard = memory.ask(wish.question, at: .seconds(now), edns: edns)
            let known = model[wish].flatMap { now < $0.end ? $0 : nil }
            #expect(heard?.answers.map(\.data) == known?.answer.answers.map(\.data), "seed \(seed), step \(step)")
            #expect(heard?.answers.first?.ttl.seconds == known.map { UInt32($0.end - now) }, "seed \(seed), step \(step)")
        }
        #expect(memory.figures.evictions == 0 && memory.figures.entries == model.count)
    }
}

extension OutsideAnswer {
    static func address(_ name: DomainName) -> OutsideAnswer {
        OutsideAnswer(.noError, answers: [Record(name, .a(IPv4Address(192, 0, 2, 1)), ttl: 60)])
    }
}

extension AnswerMemory {
    /// Asks as a client does, through bytes.
    func ask(
        _ question: Question, at now: Duration, edns: EDNS? = nil, isAuthenticityWanted: Bool = false,
        isCheckingDisabled: Bool = false, transport: Circumstances.Transport = .udp, rotation: UInt32 = 0,
        truncation: Truncation = .wholeSets
    ) -> Message? {
        var query = Message.query(question, id: 4711, edns: edns)
        query.header.isAuthenticData = isAuthenticityWanted
        query.header.isCheckingDisabled = isCheckingDisabled
        let circumstances = Circumstances(transport, forwards: true, rotation: rotation, truncation: truncation)
        let bytes = query.bytes()
        guard let read = Query.reading(bytes) else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: 65535, alignment: 8) { memory in
            guard let hit = answer(read, bytes.span, circumstances, now: now, into: memory) else { return nil }
            return try? Message(Array(memory[..<hit.count]))
        }
    }

    func hit(_ question: Question, at now: Duration) -> Hit? {
        let bytes = Message.query(question, id: 1).bytes()
        guard let read = Query.reading(bytes) else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { memory in
            answer(read, bytes.span, Circumstances(forwards: true), now: now, into: memory)
        }
    }
}

extension Query {
    /// As the server reads it: a query for a name that is in none of its zones.
    static func reading(_ bytes: [UInt8]) -> Query? {
        var answering = Answering()
        guard case (.outside(let query), _) = answering.answer(bytes, from: Zones(), Circumstances(forwards: true)) else {
            return nil
        }
        return query
    }
}
