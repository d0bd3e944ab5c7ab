import Addressing
import DNS
import Testing

@Suite("answering")
struct AnsweringTests {
    private let asking: Asking
    private static let question: [UInt8] = [1, 97, 1, 122, 0, 0, 1, 0, 1]
    private static let soa = "~ z. 3 IN SOA ns.dns.z. hostmaster.z. 7 7200 1800 86400 3"

    init() throws {
        let lines = """
            a A 192.0.2.1
            a A 192.0.2.2
            a A 192.0.2.3
            a AAAA 2001:db8::1
            a TXT hello
            deep.b.c A 192.0.2.4
            alias CNAME a
            alias2 CNAME alias
            nowhere CNAME gone
            abroad CNAME www.example.org.
            other CNAME x.y.
            pending CNAME x.pending.
            ring1 CNAME ring2
            ring2 CNAME ring1
            self CNAME self
            *.wild A 192.0.2.5
            *.wild TXT any
            here.wild A 192.0.2.6
            below.there.wild A 192.0.2.7
            *.wildalias CNAME a
            sub NS ns1.sub
            sub NS ns.elsewhere.
            sub DS abcd
            ns1.sub A 192.0.2.8
            hidden.sub A 192.0.2.9
            intosub CNAME x.sub
            mail MX 10 a
            mail MX 20 elsewhere.
            none SRV 0 0 0 .
            """
        asking = Asking(
            try Zone.sample("z", lines), try Zone.sample("y", "x A 192.0.2.10"),
            try Zone.sample("pending", "", isComplete: false), try Zone.sample("inner.z", "a A 192.0.2.11"))
    }

    @Test(
        "a name gets what stands there, or the reason why not",
        arguments: [
            ("a.z A", ["NOERROR"] + (1...3).map { "= a.z. 5 IN A 192.0.2.\($0)" }, "three records in order"),
            ("a.z MX", ["NOERROR", soa], "a type that is not there"),
            ("a.z TYPE4711", ["NOERROR", soa], "a type that nobody knows"),
            ("gone.z A", ["NXDOMAIN", soa], "a name that is not there"),
            ("x.gone.z A", ["NXDOMAIN", soa], "a name below one that is not there"),
            ("x.a.z A", ["NXDOMAIN", soa], "a name below one that is there"),
            ("c.z A", ["NOERROR", soa], "an empty name between others"),
            ("b.c.z A", ["NOERROR", soa], "an empty name between others, one deeper"),
            ("x.c.z A", ["NXDOMAIN", soa], "a name below an empty one"),
            ("z TXT", ["NOERROR", soa], "the apex without the type"),
            ("alias.z A", ["NOERROR", "= alias.z. 5 IN CNAME a.z."] + (1...3).map { "= a.z. 5 IN A 192.0.2.\($0)" }, "an alias"),
            (
                "alias2.z AAAA",
                ["NOERROR", "= alias2.z. 5 IN CNAME alias.z.", "= alias.z. 5 IN CNAME a.z.", "= a.z. 5 IN AAAA 2001:db8::1"],
                "an alias of an alias"
            ),
            ("alias.z CNAME", ["NOERROR", "= alias.z. 5 IN CNAME a.z."], "the alias itself"),
            ("alias.z ANY", ["NOERROR", "= alias.z. 5 IN CNAME a.z."], "any type of an alias"),
            ("alias.z MX", ["NOERROR", "= alias.z. 5 IN CNAME a.z.", soa], "an alias of a name without the type"),
            ("nowhere.z A", ["NXDOMAIN", "= nowhere.z. 5 IN CNAME gone.z.", soa], "an alias of nothing (RFC 6604)"),
            ("abroad.z A", ["NOERROR", "= abroad.z. 5 IN CNAME www.example.org."], "an alias of a name that is not ours"),
            ("other.z A", ["NOERROR", "= other.z. 5 IN CNAME x.y.", "= x.y. 5 IN A 192.0.2.10"], "an alias into another zone"),
            (
                "other.z AAAA",
                ["NOERROR", "= other.z. 5 IN CNAME x.y.", "~ y. 3 IN SOA ns.dns.y. hostmaster.y. 7 7200 1800 86400 3"],
                "an alias into another zone, without the type"
            ),
            ("pending.z A", ["SERVFAIL"], "an alias into a zone that is not known yet"),
            ("ring1.z A", ["SERVFAIL"], "a ring of two"),
            ("self.z A", ["SERVFAIL"], "a ring of one"),
            ("x.wild.z A", ["NOERROR", "= x.wild.z. 5 IN A 192.0.2.5"], "a wildcard"),
            ("x.y.wild.z A", ["NOERROR", "= x.y.wild.z. 5 IN A 192.0.2.5"], "a wildcard for two labels"),
            ("x.wild.z AAAA", ["NOERROR", soa], "a wildcard without the type"),
            ("here.wild.z A", ["NOERROR", "= here.wild.z. 5 IN A 192.0.2.6"], "a name beside a wildcard"),
            ("here.wild.z TXT", ["NOERROR", soa], "a name beside a wildcard, which it hides"),
            ("x.here.wild.z A", ["NXDOMAIN", soa], "a name below one that hides the wildcard"),
            ("there.wild.z A", ["NOERROR", soa], "an empty name hides a wildcard too"),
            ("x.there.wild.z A", ["NXDOMAIN", soa], "and so it does for names below it"),
            ("*.wild.z TXT", ["NOERROR", "= *.wild.z. 5 IN TXT \"any\""], "the wildcard by its own name"),
            ("x.*.wild.z A", ["NXDOMAIN", soa], "a wildcard is no closest encloser's pattern for itself"),
            (
                "x.wildalias.z AAAA", ["NOERROR", "= x.wildalias.z. 5 IN CNAME a.z.", "= a.z. 5 IN AAAA 2001:db8::1"],
                "a wildcard that is an alias"
            ),
            (
                "x.sub.z A",
                ["NOERROR", "~ sub.z. 5 IN NS ns1.sub.z.", "~ sub.z. 5 IN NS ns.elsewhere.", "+ ns1.sub.z. 5 IN A 192.0.2.8"],
                "a name below a cut"
            ),
            (
                "hidden.sub.z A",
                ["NOERROR", "~ sub.z. 5 IN NS ns1.sub.z.", "~ sub.z. 5 IN NS ns.elsewhere.", "+ ns1.sub.z. 5 IN A 192.0.2.8"],
                "what stands below a cut is not ours to say"
            ),
            (
                "sub.z NS",
                ["NOERROR", "~ sub.z. 5 IN NS ns1.sub.z.", "~ sub.z. 5 IN NS ns.elsewhere.", "+ ns1.sub.z. 5 IN A 192.0.2.8"],
                "the cut itself"
            ),
            ("sub.z DS", ["NOERROR", "= sub.z. 5 IN DS \\# 4 61626364"], "a DS record is the parent's"),
            (
                "intosub.z A",
                [
                    "NOERROR", "= intosub.z. 5 IN CNAME x.sub.z.", "~ sub.z. 5 IN NS ns1.sub.z.",
                    "~ sub.z. 5 IN NS ns.elsewhere.",
                    "+ ns1.sub.z. 5 IN A 192.0.2.8",
                ], "an alias that leads below a cut"
            ),
            (
                "mail.z MX",
                ["NOERROR", "= mail.z. 5 IN MX 10 a.z.", "= mail.z. 5 IN MX 20 elsewhere."]
                    + (1...3).map { "+ a.z. 5 IN A 192.0.2.\($0)" } + ["+ a.z. 5 IN AAAA 2001:db8::1"], "addresses beside an MX"
            ),
            ("none.z SRV", ["NOERROR", "= none.z. 5 IN SRV 0 0 0 ."], "decidedly no such service"),
            ("a.z ANY", ["NOERROR"] + (1...3).map { "= a.z. 5 IN A 192.0.2.\($0)" }, "one set is answer enough (RFC 8482)"),
            ("c.z ANY", ["NOERROR", soa], "any type of an empty name"),
            ("gone.z ANY", ["NXDOMAIN", soa], "any type of nothing"),
            ("a.inner.z A", ["NOERROR", "= a.inner.z. 5 IN A 192.0.2.11"], "the zone with the longest apex"),
            (
                "b.inner.z A",
                ["NXDOMAIN", "~ inner.z. 3 IN SOA ns.dns.inner.z. hostmaster.inner.z. 7 7200 1800 86400 3"],
                "the zone with the longest apex says no"
            ),
            ("a.zz A", ["REFUSED"], "a name in no zone"),
            (". A", ["REFUSED"], "the root"),
        ] as [(String, [String], String)])
    func answers(_ question: String, _ awaited: [String], _ why: String) throws {
        #expect(try asking.lines(question) == awaited, "\(why)")
    }

    @Test("a zone at the root holds every name", arguments: [("a.b", "NXDOMAIN"), (".", "NOERROR"), ("x", "NOERROR")])
    func root(_ name: String, _ code: String) throws {
        let asking = Asking(try Zone.sample(".", "x A 192.0.2.1"))
        let reply = try asking.reply("\(name) A")
        #expect("\(reply.responseCode)" == code && reply.header.isAuthoritative)
        #expect(reply.answers.count + reply.authorities.count == 1)
    }

    // MARK: - Header

    @Test(
        "flags of the answer",
        arguments: [
            // Query's flags, question, forwards, awaited flags.
            (0x0000, "a.z A", false, 0x8400, "an answer with authority"),
            (0x0100, "a.z A", false, 0x8500, "RD comes back"),
            (0x0100, "a.z A", true, 0x8580, "RA when we forward"),
            (0x0110, "a.z A", false, 0x8510, "CD comes back"),
            (0x0120, "a.z A", false, 0x8500, "AD does not"),
            (0x0140, "a.z A", false, 0x8500, "nor does the reserved bit"),
            (0x0300, "a.z A", false, 0x8500, "nor TC"),
            (0x0400, "a.zz A", false, 0x8005, "nor AA"),
            (0x0080, "a.z A", false, 0x8400, "nor RA"),
            (0x000F, "a.z A", false, 0x8400, "nor the response code"),
            (0x0100, "gone.z A", false, 0x8503, "no such name, with authority"),
            (0x0100, "c.z A", false, 0x8500, "no data, with authority"),
            (0x0100, "x.sub.z A", false, 0x8100, "a referral has none"),
            (0x0100, "intosub.z A", false, 0x8500, "the first name counts"),
            (0x0100, "abroad.z A", false, 0x8500, "the first name counts, wherever it leads"),
            (0x0100, "a.zz A", false, 0x8105, "refused"),
            (0x0100, "x.pending A", false, 0x8102, "not ready"),
            (0x0100, "ring1.z A", false, 0x8102, "a ring"),
        ])
    func flags(_ sent: UInt16, _ question: String, _ forwards: Bool, _ awaited: UInt16, _ why: String) throws {
        var asking = asking
        asking.circumstances.forwards = forwards
        let words = question.split(separator: " ")
        var query = Message.query(Question(try #require(DomainName(String(words[0]))), .a), id: 99)
        query.header.flags = sent
        let reply = try asking.reply(query)
        #expect(reply.header.flags == awaited, "\(why)")
        #expect(reply.questions == query.questions)
    }

    @Test(
        "packets that are no proper query",
        arguments: [
            ([], [], "nothing"),
            (Array(repeating: 0, count: 11), [], "less than a header: silence"),
            ([1, 2, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0] + question, [], "an answer: silence, or two servers talk for ever"),
            ([1, 2, 0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [], "an answer of another kind: silence"),
            ([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 2, 0x80, 1], "no question"),
            ([1, 2, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0] + question + question, [1, 2, 0x81, 1], "two questions (RFC 9619)"),
            ([1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], [1, 2, 0x80, 1], "a question that is not there"),
            ([1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0] + question.dropLast(), [1, 2, 0x80, 1], "a question that is cut"),
            ([1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 1, 0, 1], [1, 2, 0x80, 1], "a pointer to itself"),
            ([1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 4, 0, 1, 0, 1], [1, 2, 0x80, 1], "a pointer into the header"),
            ([1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x41, 0, 0, 1, 0, 1], [1, 2, 0x80, 1], "a label of a strange kind"),
            (
                [1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0] + Array(repeating: [1, 97], count: 127).flatMap(\.self) + [
                    1, 97, 0, 0, 1, 0, 1,
                ],
                [1, 2, 0x80, 1], "a name that is too long"
            ),
            ([1, 2, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0] + question, [1, 2, 0x80, 1], "an answer that is not there"),
            ([1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 255, 255] + question, [1, 2, 0x80, 1], "65,535 records that are not there"),
            ([1, 2, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0] + question, [1, 2, 0xA8, 4], "an update"),
            ([1, 2, 0x20, 0, 0, 1, 0, 0, 0, 0, 0, 0] + question, [1, 2, 0xA0, 4], "a notification"),
            ([1, 2, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 2, 0x90, 4], "a status"),
            ([1, 2, 0x79, 0, 0xFF, 0xFF], [], "an opcode that does not exist, and less than a header"),
            ([1, 2, 0x79, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0], [1, 2, 0xF9, 4], "an opcode that does not exist"),
            (
                [1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2] + question + opt([]) + opt([]), [1, 2, 0x80, 1], "two OPT records"
            ),
            ([1, 2, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0] + question + opt([]), [1, 2, 0x80, 1], "an OPT record among the answers"),
            (
                [1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1] + question + [1, 97] + opt([]), [1, 2, 0x80, 1],
                "an OPT record with an owner"
            ),
            (
                [1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1] + question + opt([0, 10, 0, 9, 1]), [1, 2, 0x80, 1], "an option that is cut"
            ),
            ([1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1] + question + opt([0, 10, 0]), [1, 2, 0x80, 1], "an option without a length"),
        ] as [([UInt8], [UInt8], String)])
    func malformed(_ packet: [UInt8], _ head: [UInt8], _ why: String) throws {
        let bytes = asking.bytes(packet)
        // A header alone, with nothing of what could not be read.
        #expect(bytes == (head.isEmpty ? [] : head + Array(repeating: 0, count: 8)), "\(why)")
    }

    private static func opt(_ options: [UInt8]) -> [UInt8] { [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, UInt8(options.count)] + options }

    @Test(
        "types and classes that no zone has",
        arguments: [
            ("AXFR", 1, "REFUSED"), ("IXFR", 1, "REFUSED"), ("OPT", 1, "FORMERR"), ("TSIG", 1, "FORMERR"), ("TKEY", 1, "FORMERR"),
            ("TYPE0", 1, "FORMERR"), ("TYPE253", 1, "NOTIMP"), ("TYPE254", 1, "NOTIMP"), ("TYPE128", 1, "NOTIMP"),
            ("A", 3, "REFUSED"), ("TXT", 3, "REFUSED"), ("A", 255, "REFUSED"), ("A", 0, "REFUSED"), ("A", 4711, "REFUSED"),
        ])
    func meta(_ type: String, _ number: UInt16, _ code: String) throws {
        var asking = asking
        // Nor are they sent on.
        asking.circumstances.forwards = true
        let question = Question(
            try #require(DomainName("a.z")), try #require(RecordType(type)), recordClass: RecordClass(rawValue: number))
        let reply = try asking.reply(.query(question, id: 1))
        #expect("\(reply.responseCode)" == code && reply.questions == [question])
        #expect(reply.answers.isEmpty && !reply.header.isAuthoritative)
    }

    @Test("other records in a query are passed over")
    func others() throws {
        var query = Message.query(Question(try #require(DomainName("a.z")), .aaaa), id: 1, edns: EDNS(udpSize: 4096))
        let record = Record(try #require(DomainName("tsig.example")), .opaque(.tsig, [1, 2, 3]))
        query.additionals = [record, record]
        query.authorities = [record]
        let reply = try asking.reply(query)
        #expect(reply.answers.count == 1 && reply.additionals.isEmpty && reply.edns != nil)
        #expect(asking.bytes(query.bytes() + [1, 2, 3]) == asking.bytes(query.bytes()))
    }
}
