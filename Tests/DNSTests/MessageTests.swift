import Addressing
import DNS
import Testing

@Suite("messages")
struct MessageTests {
    @Test("bytes that are no message say what is wrong, and where", arguments: Malformed.all)
    func wrong(_ malformed: Malformed) {
        #expect(throws: MessageError(malformed.code, at: malformed.offset)) { try Message(malformed.bytes) }
    }

    @Test("an error says what was tried and what was found")
    func errorText() {
        let error = MessageError(.pointer, at: 12)
        #expect("\(error)" == "read a DNS message: a compression pointer that does not lead back, at byte 12")
    }

    @Test("a message cut anywhere is refused or shorter, and never read past its end", arguments: 0..<4 as Range<UInt64>)
    func cut(_ seed: UInt64) throws {
        var dice = SeededDice(seed)
        for _ in 0..<20 {
            let bytes = RandomMessage.make(&dice).bytes()
            for count in 0..<bytes.count {
                guard let message = try? Message(Array(bytes[..<count])) else { continue }
                Issue.record("seed \(seed): \(count) of \(bytes.count) bytes are read as \(message)")
            }
        }
    }

    @Test("a message written and read again is the same", arguments: 0..<10 as Range<UInt64>)
    func roundTrip(_ seed: UInt64) throws {
        var dice = SeededDice(seed)
        for _ in 0..<25 {
            let message = RandomMessage.make(&dice)
            let bytes = message.bytes()
            let read = try Message(bytes)
            #expect(read == message, "seed \(seed)")
            // Equality knows no case; the text does.
            #expect(read.description == message.description, "seed \(seed)")
            #expect(read.bytes() == bytes, "seed \(seed)")
        }
    }

    /// Bytes of real messages with a few changed, cut, doubled or moved: whatever comes of it, reading ends, and what was read can
    /// be written and read again.
    @Test("no bytes whatever make the reader fall", arguments: 0..<8 as Range<UInt64>)
    func mutations(_ seed: UInt64) {
        var dice = SeededDice(seed)
        var readable = 0
        for _ in 0..<1000 {
            let bytes = Mutation.of(RandomMessage.make(&dice).bytes(), &dice)
            guard let message = try? Message(bytes) else { continue }
            readable += 1
            // A name that was compressed by mutation may be long when it is written, so this may be cut, but never fail.
            #expect(throws: Never.self, "seed \(seed)") { try Message(message.bytes()) }
        }
        #expect(readable > 0, "the mutations are too wild to say anything")
    }

    @Test("every type that is read inside is read and written", arguments: RandomMessage.kinds)
    func kinds(_ kind: Int) throws {
        var dice = SeededDice(UInt64(kind))
        for _ in 0..<20 {
            let record = Record(try #require(DomainName("x.example")), RandomMessage.data(kind, &dice))
            let message = Message(Header(id: 1), answers: [record])
            #expect(try Message(message.bytes()).answers == [record])
        }
    }

    @Test("the table of random data knows every case of record data")
    func caseCount() {
        var dice = SeededDice(1)
        let types = Set(RandomMessage.kinds.map { RandomMessage.data($0, &dice).type })
        let known: [RecordType] = [.a, .aaaa, .ns, .cname, .ptr, .soa, .mx, .txt, .srv, .naptr, .caa, .svcb, .https]
        #expect(types.isSuperset(of: known) && types.count > known.count)
    }

    @Test("names are compressed in the old types only, and in the case in which they stand")
    func compression() throws {
        let owner = try #require(DomainName("a.example.org"))
        let target = try #require(DomainName("b.example.org"))
        let shouting = try #require(DomainName("b.EXAMPLE.org"))
        func size(_ data: RecordData) -> Int {
            Message(Header(id: 1), answers: [Record(owner, data)]).bytes().count - 12 - 15 - 10
        }
        // The first label and a pointer.
        #expect(size(.cname(target)) == 4 && size(.ns(target)) == 4 && size(.ptr(target)) == 4)
        #expect(size(.mx(MailExchange(preference: 1, exchange: target))) == 6)
        #expect(size(.srv(ServiceLocation(port: 1, target: target))) == 6 + 15)
        #expect(size(.svcb(ServiceBinding(priority: 1, target: target))) == 2 + 15)
        // `EXAMPLE` stands nowhere before; `org` does.
        #expect(size(.cname(shouting)) == 2 + 8 + 2)
        #expect(size(.cname(owner)) == 2)
    }

    @Test("data of old types keeps its meaning in another message, where a pointer would lead elsewhere")
    func expanded() throws {
        // RP with two names compressed against the question.
        let question: [UInt8] = [0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0] + [1, 97, 1, 98, 0, 0, 17, 0, 1]
        let record: [UInt8] = [0xC0, 12, 0, 17, 0, 1, 0, 0, 0, 9, 0, 4, 0xC0, 12, 0xC0, 14]
        let message = try Message(question + record)
        #expect(message.answers.first?.data == .opaque(RecordType(rawValue: 17), [1, 97, 1, 98, 0, 1, 98, 0]))
    }

    @Test("the highest bit of a TTL makes it zero (RFC 2181 §8)")
    func ttl() {
        #expect(TimeToLive(seconds: 0x8000_0000) == 0 && TimeToLive(seconds: 0x7FFF_FFFF).seconds == 0x7FFF_FFFF)
    }

    @Test("types and classes have names, and numbers where they have none")
    func words() {
        #expect(RecordType("aaaa") == .aaaa && RecordType("TYPE28") == .aaaa && RecordType("TYPE65534")?.rawValue == 65534)
        #expect(
            RecordType("TYPE") == nil && RecordType("TYPE65536") == nil && RecordType("TYPE01") == nil && RecordType("") == nil)
        #expect("\(RecordType(rawValue: 4711))" == "TYPE4711" && "\(RecordType.https)" == "HTTPS")
        #expect(RecordClass("in") == .internet && RecordClass("CLASS255") == .any && RecordClass("CLASS-1") == nil)
        #expect("\(ResponseCode.nameError)" == "NXDOMAIN" && "\(ResponseCode(rawValue: 99))" == "RCODE99")
    }
}

/// Bytes, what is wrong with them, and where it must be found.
struct Malformed: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let code: MessageError.Code
    let offset: Int

    private init(_ why: String, _ bytes: [UInt8], _ code: MessageError.Code, _ offset: Int) {
        (testDescription, self.bytes, self.code, self.offset) = (why, bytes, code, offset)
    }

    /// A header with these counts.
    private static func header(_ questions: UInt8, _ answers: UInt8 = 0, _ others: UInt8 = 0, _ additionals: UInt8 = 0) -> [UInt8]
    {
        [0x12, 0x34, 1, 0, 0, questions, 0, answers, 0, others, 0, additionals]
    }

    private static func answer(_ type: UInt16, _ data: [UInt8]) -> [UInt8] {
        header(0, 1) + [0, UInt8(type >> 8), UInt8(type & 255), 0, 1, 0, 0, 0, 5, 0, UInt8(data.count)] + data
    }

    private static func opt(_ owner: [UInt8], _ options: [UInt8]) -> [UInt8] {
        owner + [0, 41, 4, 208, 0, 0, 0, 0, 0, UInt8(options.count)] + options
    }

    static let all = [
        Malformed("nothing", [], .end, 0),
        Malformed("half a header", Array(header(0)[..<11]), .end, 10),
        Malformed("a question that is not there", header(1), .counts, 4),
        Malformed("65,535 answers in no bytes", [0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0], .counts, 4),
        Malformed("a name that ends with the message", header(1) + [4, 97, 97, 97, 97], .end, 12),
        Malformed("a name without its root", header(1) + [3, 97, 97, 97, 1, 97], .end, 16),
        Malformed("a question without its class", header(1) + [1, 97, 0, 0, 1, 0], .end, 17),
        Malformed("a label of the kind 0x40", header(1) + [0x41, 97, 0, 0, 1, 0, 1], .label, 12),
        Malformed("a label of the kind 0x80", header(1) + [0x81, 97, 0, 0, 1, 0, 1], .label, 12),
        Malformed("a pointer to itself", header(1) + [0xC0, 12, 0, 1, 0, 1], .pointer, 12),
        Malformed("a pointer ahead", header(1) + [0xC0, 14, 1, 97, 0, 0, 1, 0, 1], .pointer, 12),
        Malformed("a pointer past the end", header(1) + [0xFF, 0xFF, 0, 1, 0, 1], .pointer, 12),
        Malformed("a pointer into the header", header(1) + [0xC0, 0, 0, 1, 0, 1], .pointer, 12),
        Malformed("half a pointer", header(1) + [1, 97, 1, 97, 0xC0], .end, 16),
        Malformed("a ring of a label and a pointer", header(1) + [1, 97, 0xC0, 12, 0, 1, 0, 1], .pointer, 14),
        Malformed(
            "two names that point to each other",
            header(2) + [1, 97, 0xC0, 20, 0, 1, 0, 1] + [1, 98, 0xC0, 12, 0, 1, 0, 1], .pointer, 14),
        Malformed(
            "a name of more than 255 bytes",
            header(1) + Array(repeating: [1, 97], count: 128).flatMap(\.self) + [0, 0, 1, 0, 1],
            .nameLength, 12),
        Malformed(
            "a name of more than 255 bytes by a pointer",
            header(2) + Array(repeating: [1, 97], count: 127).flatMap(\.self) + [0, 0, 1, 0, 1] + [1, 98, 0xC0, 12, 0, 1, 0, 1],
            .nameLength, 271),
        Malformed("more pointers than a name has labels", Self.pointerLadder(130), .pointers, 25 + 126 * 12),
        Malformed("data that runs past the message", Array(answer(1, [1, 2, 3, 4]).dropLast()), .end, 23),
        Malformed("an address of three bytes", answer(1, [1, 2, 3]), .end, 25),
        Malformed("an address of five bytes", answer(1, [1, 2, 3, 4, 5]), .dataLength, 23),
        Malformed("an IPv6 address of four bytes", answer(28, [1, 2, 3, 4]), .end, 27),
        Malformed("a name that does not fill its data", answer(5, [0, 0]), .dataLength, 23),
        Malformed("a name longer than its data", answer(5, [1, 97]) + [0], .end, 23),
        Malformed("an SOA without its numbers", answer(6, [0, 0, 0, 0, 0, 1]), .end, 29),
        Malformed("an MX without a name", answer(15, [0, 1]), .end, 25),
        Malformed("a text of no string", answer(16, []), .end, 23),
        Malformed("a text of a string that is cut", answer(16, [3, 97, 97]), .end, 24),
        Malformed("an SRV without a target", answer(33, [0, 0, 0, 0, 0, 80]), .end, 29),
        Malformed("a CAA of an empty tag", answer(257, [0, 0, 97]), .dataLength, 23),
        Malformed(
            "an SVCB with a compressed target",
            header(0, 2) + Array(answer(1, [1, 2, 3, 4])[12...])
                + Array(answer(64, [0, 1, 0xC0, 12])[12...]), .pointerForbidden, 40),
        Malformed("SVCB parameters out of order", answer(64, [0, 1, 0, 0, 2, 0, 0, 0, 1, 0, 0]), .parameters, 30),
        Malformed("SVCB parameters twice", answer(64, [0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0]), .parameters, 30),
        Malformed("an SVCB parameter that is cut", answer(64, [0, 1, 0, 0, 2, 0, 4, 1]), .end, 30),
        Malformed("an OPT record that has an owner", header(0, 0, 0, 1) + opt([1, 97, 0], []), .optOwner, 12),
        Malformed("two OPT records", header(0, 0, 0, 2) + opt([0], []) + opt([0], []), .optTwice, 23),
        Malformed("an OPT record among the answers", header(0, 1) + opt([0], []), .optPlace, 12),
        Malformed("an OPT record among the authorities", header(0, 0, 1) + opt([0], []), .optPlace, 12),
        Malformed("an option without its length", header(0, 0, 0, 1) + opt([0], [0, 10, 0]), .optOptions, 23),
        Malformed("an option longer than the record", header(0, 0, 0, 1) + opt([0], [0, 10, 0, 8, 1, 2, 3]), .optOptions, 27),
    ]

    /// Records whose names are a pointer to the one before, so that the last has so many to follow.
    private static func pointerLadder(_ steps: Int) -> [UInt8] {
        var bytes = header(0, UInt8(steps + 1)) + [1, 97, 0, 0, 10, 0, 1, 0, 0, 0, 5, 0, 0]
        var last = 12
        for _ in 0..<steps {
            let start = bytes.count
            bytes += [0xC0 | UInt8(last >> 8), UInt8(last & 255), 0, 10, 0, 1, 0, 0, 0, 5, 0, 0]
            last = start
        }
        return bytes
    }
}
