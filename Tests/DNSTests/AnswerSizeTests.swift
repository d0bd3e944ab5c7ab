import Addressing
import DNS
import Testing

@Suite("what an answer carries")
struct AnswerSizeTests {
    @Test("EDNS comes back if it came, with our size, our version and the client's DO")
    func edns() throws {
        let asking = Asking(try Zone.sample("z", "a A 192.0.2.1"))
        #expect(try asking.reply("a.z A").edns == nil)
        for isDNSSECWanted in [false, true] {
            var edns = EDNS(udpSize: 4096, isDNSSECWanted: isDNSSECWanted)
            edns.options = [EDNS.Option(.cookie, Array(1...8)), .padding(20)]
            let reply = try asking.reply("a.z A", edns: edns)
            #expect(reply.edns == EDNS(udpSize: 1232, isDNSSECWanted: isDNSSECWanted))
        }
    }

    @Test("an EDNS version that is not there yet is answered with BADVERS and ours")
    func version() throws {
        let asking = Asking(try Zone.sample("z", "a A 192.0.2.1"))
        let reply = try asking.reply("a.z A", edns: EDNS(version: 1))
        #expect(reply.responseCode == .badVersion && reply.edns?.version == 0 && reply.answers.isEmpty)
    }

    @Test("a refusal says why to those who understand")
    func reason() throws {
        let asking = Asking(try Zone.sample("z"))
        let reply = try asking.reply("example.org A", edns: EDNS())
        #expect(reply.responseCode == .refused)
        #expect(reply.edns?.options.compactMap(\.extendedError) == [.notAuthoritative])
    }

    // dig showed “EDE: 0 (Other)”, and nothing of why.
    @Test("a ring of aliases is told as one")
    func ring() throws {
        let reply = try Asking(try Zone.sample("z", "a CNAME b\nb CNAME a")).reply("a.z A", edns: EDNS())
        #expect(reply.responseCode == .serverFailure && reply.answers.isEmpty)
        let errors = reply.edns?.options.compactMap(\.extendedError) ?? []
        #expect(errors.map(\.rawValue) == [0] && errors.first?.text.contains("ring") == true, "\(errors)")
    }

    @Test("a server that could not find out says so, and why")
    func refusing() throws {
        var asking = Asking(try Zone.sample("z"))
        asking.circumstances.forwards = true
        let query = Message.query(Question(try #require(DomainName("example.org")), .a), id: 77, edns: EDNS())
        guard case .outside(let outside) = asking.outcome(query) else {
            Issue.record("example.org is not sent on")
            return
        }
        let packet = query.bytes()
        #expect(outside.question(in: packet.span) == query.questions[0] && outside.header == query.header)
        var answering = Answering()
        let bytes = [UInt8](unsafeUninitializedCapacity: 1232) { buffer, count in
            count = answering.refuse(
                outside, packet.span, .serverFailure, .noReachableAuthority, asking.circumstances,
                into: UnsafeMutableRawBufferPointer(buffer))
        }
        let reply = try Message(bytes)
        #expect(reply.responseCode == .serverFailure && reply.questions == query.questions && reply.header.isRecursionAvailable)
        #expect(reply.edns?.options.compactMap(\.extendedError) == [.noReachableAuthority])
    }

    @Test("an alias that leads outside is told to a server that forwards, in its own case")
    func unfinished() throws {
        var asking = Asking(try Zone.sample("z", "a CNAME b\nb CNAME WWW.example.org."))
        asking.circumstances.forwards = true
        let query = Message.query(Question(try #require(DomainName("a.z")), .a), id: 1)
        guard case .unfinished(let count, _, let alias) = asking.outcome(query) else {
            Issue.record("the alias is not seen")
            return
        }
        #expect(alias.description == "WWW.example.org." && count == asking.bytes(query.bytes()).count)
        #expect(try asking.reply(query).answers.count == 2)
    }

    @Test("a zone that passes on denies nothing")
    func passesOn() throws {
        var asking = Asking(try Zone.sample("example.org", "db A 192.0.2.1\nx.y A 192.0.2.2", passesOn: true))
        #expect(try asking.lines("db.example.org A") == ["NOERROR", "= db.example.org. 5 IN A 192.0.2.1"])
        // What exists is ours, also without data of the type.
        #expect(try asking.reply("db.example.org AAAA").authorities.count == 1)
        // What only leads to a name of ours is not.
        #expect(try asking.reply("y.example.org A").responseCode == .refused)
        #expect(try asking.reply("www.example.org A").responseCode == .refused)
        asking.circumstances.forwards = true
        guard case .outside = asking.outcome(.query(Question(try #require(DomainName("www.example.org")), .a), id: 1)) else {
            Issue.record("www.example.org is not sent on")
            return
        }
    }

    @Test("addresses turn, and nothing else does")
    func rotation() throws {
        let lines = (1...4).map { "a A 192.0.2.\($0)\na AAAA 2001:db8::\($0)\na MX \($0) m\($0)\none A 192.0.2.9" }
        var asking = Asking(try Zone.sample("z", lines.joined(separator: "\n")))
        for rotation in [0, 1, 2, 3, 4, 7, UInt32.max] {
            asking.circumstances.rotation = rotation
            let turned = (0..<4).map { (Int(rotation) + $0) % 4 + 1 }
            #expect(try asking.reply("a.z A").answers.map { "\($0.data)" } == turned.map { "192.0.2.\($0)" })
            #expect(try asking.reply("a.z AAAA").answers.map { "\($0.data)" } == turned.map { "2001:db8::\($0)" })
            #expect(try asking.reply("a.z MX").answers.map { "\($0.data)" } == (1...4).map { "\($0) m\($0).z." })
            #expect(try asking.reply("one.z A").answers.count == 1)
        }
    }

    /// 512 bytes without EDNS; the client's size up to ours with it; 65,535 over TCP. A header, a question of 9 bytes, and 16 or 28
    /// bytes a record.
    @Test(
        "what does not fit is left out by sets, with TC set",
        arguments: [
            (30, nil, 1232, Circumstances.Transport.udp, 30, false),
            (31, nil, 1232, .udp, 0, true),
            (32, nil, 1232, .udp, 0, true),
            (32, nil, 1232, .tcp, 32, false),
            // The OPT record's eleven bytes are kept free.
            (30, 512, 1232, .udp, 30, false),
            (31, 512, 1232, .udp, 0, true),
            // A client that says less than 512 means 512.
            (30, 0, 1232, .udp, 30, false),
            (31, 100, 1232, .udp, 0, true),
            (74, 1232, 1232, .udp, 74, false),
            (76, 1232, 1232, .udp, 0, true),
            // Our own limit, whatever the client says.
            (76, 4096, 1232, .udp, 0, true),
            (76, 4096, 4096, .udp, 76, false),
            (250, 65535, 65535, .udp, 250, false),
            (4000, nil, 1232, .tcp, 4000, false),
            (4095, nil, 1232, .tcp, 0, true),
        ] as [(Int, Int?, Int, Circumstances.Transport, Int, Bool)])
    func truncation(
        _ count: Int, _ clients: Int?, _ ours: Int, _ transport: Circumstances.Transport, _ answers: Int, _ isTruncated: Bool
    ) throws {
        let lines = (0..<count).map { "a A 192.0.\($0 >> 8).\($0 & 255)" }.joined(separator: "\n")
        var asking = Asking(try Zone.sample("z", lines))
        asking.circumstances = Circumstances(transport, udpSize: UInt16(ours))
        let edns = clients.map { EDNS(udpSize: UInt16($0)) }
        let query = Message.query(Question(try #require(DomainName("a.z")), .a), id: 1, edns: edns)
        let limit = transport == .tcp ? 65535 : min(max(clients ?? 512, 512), ours)
        #expect(asking.bytes(query.bytes()).count <= limit)
        let reply = try asking.reply(query)
        #expect(reply.answers.count == answers && reply.header.isTruncated == isTruncated)
        #expect((reply.edns != nil) == (clients != nil))

        // With records kept as far as they fit, the most that fit are there.
        asking.circumstances.truncation = .records
        let filled = try asking.reply(query)
        let most = (limit - 12 - 9 - (clients == nil ? 0 : 11)) / 16
        #expect(filled.answers.count == min(count, most) && filled.header.isTruncated == isTruncated)
    }

    @Test("addresses beside an answer are left out without TC, glue is not")
    func additionals() throws {
        let servers = (0..<30).map { "_s SRV 0 0 80 t\($0)\nt\($0) A 192.0.2.\($0)\nt\($0) AAAA 2001:db8::\($0)" }
        let asking = Asking(try Zone.sample("z", servers.joined(separator: "\n")))
        let reply = try asking.reply("_s.z SRV", edns: EDNS(udpSize: 1000))
        #expect(reply.answers.count == 30 && !reply.header.isTruncated)
        #expect(reply.additionals.count > 2 && reply.additionals.count < 60)

        let glue = (0..<14).map { "sub NS ns\($0).sub\nns\($0).sub A 192.0.2.\($0)\nns\($0).sub AAAA 2001:db8::\($0)" }
        let delegating = Asking(try Zone.sample("z", glue.joined(separator: "\n")))
        let referral = try delegating.reply("x.sub.z A")
        #expect(referral.authorities.count == 14 && referral.header.isTruncated)
        #expect(try !delegating.reply("x.sub.z A", edns: EDNS(udpSize: 1232)).header.isTruncated)
    }

    @Test("a name far behind in a long answer is written, not pointed to")
    func far() throws {
        let lines = (0..<900).map { "_s SRV 0 0 80 target-\($0)\ntarget-\($0) A 10.0.\($0 >> 8).\($0 & 255)" }
        var asking = Asking(try Zone.sample("z", lines.joined(separator: "\n")))
        asking.circumstances.transport = .tcp
        let reply = try asking.reply("_s.z SRV")
        #expect(reply.answers.count == 900 && reply.additionals.count == 900 && !reply.header.isTruncated)
        for (answer, additional) in zip(reply.answers, reply.additionals) {
            guard case .srv(let service) = answer.data else {
                Issue.record("\(answer) is no SRV record")
                continue
            }
            #expect(service.target == additional.name)
        }
    }

    @Test("memory smaller than the message is not written past")
    func memory() throws {
        let lines = (0..<100).map { "a A 192.0.2.\($0)" }.joined(separator: "\n")
        let zones = Zones([try Zone.sample("z", lines)])
        let query = Message.query(Question(try #require(DomainName("a.z")), .a), id: 1).bytes()
        var answering = Answering()
        var memory = [UInt8](repeating: 0xEE, count: 700)
        let count = memory.withUnsafeMutableBytes {
            answering.answer(
                query.span, from: zones, Circumstances(.tcp), into: UnsafeMutableRawBufferPointer(rebasing: $0[..<600])
            )
            .count
        }
        #expect(try Message(Array(memory[..<count])).header.isTruncated)
        #expect(memory[600...].allSatisfy { $0 == 0xEE })
    }
}
