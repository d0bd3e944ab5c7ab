import Addressing
import DNS
import Foundation
import Testing

/// Debian's python3-dnspython: a reader and writer of messages that is not ours.
private let dnspythonIsThere =
    FileManager.default.fileExists(atPath: "/usr/lib/python3/dist-packages/dns/message.py") || getenv("REQUIRE_KERNEL") != nil

@Suite("our messages and dnspython's", .enabled(if: dnspythonIsThere))
struct DNSPythonTests {
    @Test("what we write it reads, and what it makes of that we read as the same")
    func thereAndBack() throws {
        let seed = UInt64.random(in: 0...(.max))
        var dice = SeededDice(seed)
        let messages = (0..<300).map { _ in tame(RandomMessage.make(&dice)) }
        let returned = try dnspython(messages.map { $0.bytes() })
        for (message, bytes) in zip(messages, returned) {
            #expect(try Message(bytes) == message, "seed \(seed)")
        }
    }

    @Test("of old types and small letters it writes the very same bytes")
    func sameBytes() throws {
        let seed = UInt64.random(in: 0...(.max))
        var dice = SeededDice(seed)
        let messages = (0..<300).map { _ in
            var message = tame(RandomMessage.make(&dice))
            // It compresses where we, by RFC 2782 and 3597, do not.
            message.answers = old(message.answers)
            message.authorities = old(message.authorities)
            message.additionals = old(message.additionals)
            message.questions = message.questions.map { Question($0.name.lowercase, $0.type) }
            return message
        }
        for (bytes, theirs) in zip(messages.map { $0.bytes() }, try dnspython(messages.map { $0.bytes() })) {
            #expect(bytes == theirs, "seed \(seed)")
        }
    }

    @Test("it reads our answers, also those that were cut, and a client's options come to us as it writes them")
    func answers() throws {
        let lines = ClusterNameTests.records + "\n" + (0..<60).map { "many A 192.0.2.\($0)" }.joined(separator: "\n")
        let asking = Asking(try Zone.sample("cluster.local", lines))
        let questions = [
            "svc1.testns.svc A", "_http._tcp.hdls1.testns.svc SRV", "hdls1.testns.svc AAAA", "gone A", "many A",
            "external-to-service.testns.svc A",
        ]
        let answers = try questions.flatMap { line in
            let words = line.split(separator: " ")
            let question = Question(
                try #require(DomainName("\(words[0]).cluster.local")), try #require(RecordType(String(words[1]))))
            return [nil, EDNS(udpSize: 1232, isDNSSECWanted: true)].map {
                asking.bytes(Message.query(question, id: 5, edns: $0).bytes())
            }
        }
        for (ours, theirs) in zip(answers, try dnspython(answers)) { #expect(try Message(ours) == Message(theirs)) }

        let options = try dnspython(
            [],
            "import dns.edns,dns.message as m; o=[dns.edns.ECSOption('192.0.2.128',25),dns.edns.GenericOption(10,bytes(range(8)))];"
                + "print(m.make_query('a.z','A',use_edns=0,payload=1400,options=o).to_wire().hex())")
        let query = try Message(try #require(options.first))
        #expect(query.edns?.udpSize == 1400)
        #expect(
            query.edns?.options.compactMap(\.clientSubnet) == [ClientSubnet(source: try #require(IPPrefix("192.0.2.128/25")))])
        #expect(query.edns?.options.last?.cookie?.client == Array(0..<8))
        #expect(query.edns?.options.first.flatMap(\.clientSubnet).map(EDNS.Option.clientSubnet) == query.edns?.options.first)
    }

    // MARK: - What it takes

    /// It looks into types that are bytes to us, and knows more rules than the wire form has.
    private func tame(_ message: Message) -> Message {
        var message = message
        message.header.opcode = .query
        message.edns?.version = 0
        message.edns?.options.removeAll { (1...15).contains($0.code.rawValue) && $0.code != .cookie }
        for path in [\Message.answers, \.authorities, \.additionals] {
            message[keyPath: path].removeAll { record in
                switch record.data {
                case .opaque(let type, _): type.rawValue != 65280
                case .caa, .svcb, .https: true
                default: false
                }
            }
        }
        return message
    }

    private func old(_ records: [Record]) -> [Record] {
        records.compactMap { record in
            let data: RecordData? =
                switch record.data {
                case .a, .aaaa, .txt: record.data
                case .ns(let name): .ns(name.lowercase)
                case .cname(let name): .cname(name.lowercase)
                case .ptr(let name): .ptr(name.lowercase)
                case .mx(let mail): .mx(MailExchange(preference: mail.preference, exchange: mail.exchange.lowercase))
                default: nil
                }
            return data.map { Record(record.name.lowercase, $0, ttl: record.ttl) }
        }
    }

    /// Gives messages to dnspython, and takes what it writes after reading them.
    private func dnspython(_ messages: [[UInt8]], _ script: String? = nil) throws -> [[UInt8]] {
        let reading = """
            import sys,dns.message
            for line in sys.stdin.read().split():
                m=dns.message.from_wire(bytes.fromhex(line),one_rr_per_rrset=True)
                print(m.to_wire(max_size=65535).hex())
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = ["-c", script ?? reading]
        let (input, output) = (Pipe(), Pipe())
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, output)
        try process.run()
        // It reads everything before it writes anything.
        let text = messages.map { $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }.joined(separator: "\n")
        input.fileHandleForWriting.write(Data(text.utf8))
        try input.fileHandleForWriting.close()
        let answer = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "python3: \(answer)")
        let lines = answer.split(separator: "\n")
        try #require(script != nil || lines.count == messages.count)
        return try lines.map { line in
            try stride(from: 0, to: line.utf8.count, by: 2).map { place in
                let start = line.utf8.index(line.startIndex, offsetBy: place)
                return try #require(UInt8(line[start...].prefix(2), radix: 16))
            }
        }
    }
}
