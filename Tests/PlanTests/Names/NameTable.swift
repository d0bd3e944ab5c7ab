/// The questions that a cluster's name server must answer, and how. Names without a dot at their end stand under `svc.cluster.local`.
enum NameTable {
    static let soa = "~ cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"

    struct Row: Sendable, CustomStringConvertible {
        let question: String
        let code: String
        /// `= name TYPE data` as answers, `+` as additionals; in the order of the answer, each 5 s.
        let lines: [String]

        init(_ question: String, _ code: String, _ lines: [String]) {
            (self.question, self.code, self.lines) = (NameTable.whole(question), code, lines.map(Self.line))
        }

        var description: String { question }

        private static func line(_ text: String) -> String {
            if text.hasPrefix("~") { return text }
            var words = text.split(separator: " ").map(String.init)
            words[1] = NameTable.whole(words[1])
            words.insert(contentsOf: ["5", "IN"], at: 2)
            if ["CNAME", "SRV", "PTR"].contains(words[4]) { words[words.count - 1] = NameTable.whole(words[words.count - 1]) }
            return words.joined(separator: " ")
        }
    }

    /// The first word of a question, made whole.
    static func whole(_ text: String) -> String {
        var words = text.split(separator: " ").map(String.init)
        if !words[0].hasSuffix(".") { words[0] += ".svc.cluster.local." }
        return words.joined(separator: " ")
    }

    static let endpoints = ["172-0-0-2", "dup-name", "172-0-0-3", "5678-abcd--1", "5678-abcd--2"]

    static let rows = [
        Row("svc1.testns A", "NOERROR", ["= svc1.testns A 10.0.0.1"]),
        Row("svc1.testns AAAA", "NOERROR", [soa]),
        Row("svc1.testns TXT", "NOERROR", [soa]),
        Row("svc.cluster.local. A", "NOERROR", [soa]),
        Row("testns A", "NOERROR", [soa]),
        // A namespace without a service is there too, as CoreDNS has it.
        Row("podns A", "NOERROR", [soa]),
        Row("nons A", "NXDOMAIN", [soa]),
        Row("svc1.podns A", "NXDOMAIN", [soa]),
        Row("svcempty.testns A", "NOERROR", ["= svcempty.testns A 10.0.0.4"]),
        Row("svc6.testns AAAA", "NOERROR", ["= svc6.testns AAAA 1234:abcd::1"]),
        Row("svc6.testns A", "NOERROR", [soa]),
        Row(
            "_http._tcp.svc1.testns SRV", "NOERROR",
            ["= _http._tcp.svc1.testns SRV 0 100 80 svc1.testns", "+ svc1.testns A 10.0.0.1"]),
        Row("_http._udp.svc1.testns SRV", "NXDOMAIN", [soa]),
        Row("dual.testns A", "NOERROR", ["= dual.testns A 10.0.0.3"]),
        Row("dual.testns AAAA", "NOERROR", ["= dual.testns AAAA 10::3"]),
        Row("hdls1.testns A", "NOERROR", [2, 4, 3, 5].map { "= hdls1.testns A 172.0.0.\($0)" }),
        Row("hdls1.testns AAAA", "NOERROR", [1, 2].map { "= hdls1.testns AAAA 5678:abcd::\($0)" }),
        Row(
            "_http._tcp.hdls1.testns SRV", "NOERROR",
            endpoints.map { "= _http._tcp.hdls1.testns SRV 0 100 80 \($0).hdls1.testns" } + [
                "+ 172-0-0-2.hdls1.testns A 172.0.0.2", "+ dup-name.hdls1.testns A 172.0.0.4",
                "+ dup-name.hdls1.testns A 172.0.0.5", "+ 172-0-0-3.hdls1.testns A 172.0.0.3",
                "+ 5678-abcd--1.hdls1.testns AAAA 5678:abcd::1", "+ 5678-abcd--2.hdls1.testns AAAA 5678:abcd::2",
            ]),
        Row("dup-name.hdls1.testns A", "NOERROR", [4, 5].map { "= dup-name.hdls1.testns A 172.0.0.\($0)" }),
        Row("172-0-0-2.hdls1.testns A", "NOERROR", ["= 172-0-0-2.hdls1.testns A 172.0.0.2"]),
        Row("bogus.hdls1.testns A", "NXDOMAIN", [soa]),
        Row("172-0-0-9.hdls1.testns A", "NXDOMAIN", [soa]),
        Row("hdls0.testns A", "NXDOMAIN", [soa]),
        Row("svc0.testns A", "NXDOMAIN", [soa]),
        Row("svc1.nons A", "NXDOMAIN", [soa]),
        Row("172-0-0-1.svc1.testns A", "NXDOMAIN", [soa]),
        Row("external.testns A", "NOERROR", ["= external.testns CNAME ext.interwebs.test."]),
        Row("external.testns CNAME", "NOERROR", ["= external.testns CNAME ext.interwebs.test."]),
        Row(
            "external-to-service.testns A", "NOERROR",
            ["= external-to-service.testns CNAME svc1.testns", "= svc1.testns A 10.0.0.1"]),
        Row("external-to-service.testns AAAA", "NOERROR", ["= external-to-service.testns CNAME svc1.testns", soa]),
        Row("endpoint.external.testns A", "NXDOMAIN", [soa]),
        Row("dns-version.cluster.local. TXT", "NOERROR", ["= dns-version.cluster.local. TXT \"1.1.0\""]),
        Row("1.0.0.10.in-addr.arpa. PTR", "NOERROR", ["= 1.0.0.10.in-addr.arpa. PTR svc1.testns"]),
        Row("2.0.0.172.in-addr.arpa. PTR", "NOERROR", ["= 2.0.0.172.in-addr.arpa. PTR 172-0-0-2.hdls1.testns"]),
        Row(
            "4.0.0.172.in-addr.arpa. PTR", "NOERROR", ["= 4.0.0.172.in-addr.arpa. PTR dup-name.hdls1.testns"]),
        Row(
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa. PTR", "NOERROR",
            ["= 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa. PTR svc6.testns"]),
        Row("SvC1.TeStNs A", "NOERROR", ["= SvC1.TeStNs A 10.0.0.1"]),
        Row(
            "cluster.local. SOA", "NOERROR",
            ["= cluster.local. SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"]),
        Row(
            "cluster.local. NS", "NOERROR",
            [
                "= cluster.local. NS ns.dns.cluster.local.", "+ ns.dns.cluster.local. A 10.0.0.10",
                "+ ns.dns.cluster.local. AAAA 10::a",
            ]),
        // Of addresses that no service has, somebody else may know a name.
        Row("2.0.0.10.in-addr.arpa. PTR", "REFUSED", []),
        Row("0.10.in-addr.arpa. NS", "REFUSED", []),
        Row("www.example.org. A", "REFUSED", []),
    ]
}
