import DNS
import Testing

/// The questions and answers that a cluster's name server owes, over a zone as the cluster's DNS specification 1.1.0 wants it.
@Suite("the names of a cluster")
struct ClusterNameTests {
    static let records = """
        ns.dns 30 A 10.0.0.10
        dns-version TXT 1.1.0
        svc1.testns.svc A 10.0.0.1
        _http._tcp.svc1.testns.svc SRV 0 100 80 svc1.testns.svc
        svcempty.testns.svc A 10.0.0.4
        svc6.testns.svc AAAA 1234:abcd::1
        dual.testns.svc A 10.0.0.3
        dual.testns.svc AAAA 10::3
        hdls1.testns.svc A 172.0.0.2
        hdls1.testns.svc A 172.0.0.3
        hdls1.testns.svc A 172.0.0.4
        hdls1.testns.svc A 172.0.0.5
        hdls1.testns.svc AAAA 5678:abcd::1
        hdls1.testns.svc AAAA 5678:abcd::2
        172-0-0-2.hdls1.testns.svc A 172.0.0.2
        172-0-0-3.hdls1.testns.svc A 172.0.0.3
        dup-name.hdls1.testns.svc A 172.0.0.4
        dup-name.hdls1.testns.svc A 172.0.0.5
        5678-abcd--1.hdls1.testns.svc AAAA 5678:abcd::1
        5678-abcd--2.hdls1.testns.svc AAAA 5678:abcd::2
        _http._tcp.hdls1.testns.svc SRV 0 100 80 172-0-0-2.hdls1.testns.svc
        _http._tcp.hdls1.testns.svc SRV 0 100 80 172-0-0-3.hdls1.testns.svc
        _http._tcp.hdls1.testns.svc SRV 0 100 80 dup-name.hdls1.testns.svc
        _http._tcp.hdls1.testns.svc SRV 0 100 80 dup-name.hdls1.testns.svc
        _http._tcp.hdls1.testns.svc SRV 0 100 80 5678-abcd--1.hdls1.testns.svc
        _http._tcp.hdls1.testns.svc SRV 0 100 80 5678-abcd--2.hdls1.testns.svc
        external.testns.svc CNAME ext.interwebs.test.
        external-to-service.testns.svc CNAME svc1.testns.svc
        """
    static let soa = "~ cluster.local. 3 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 3"

    private let asking: Asking

    init() throws {
        var zone = try Zone.sample("cluster.local", Self.records)
        let pods = try #require(DomainName("podns.pod.cluster.local"))
        zone.replace("pods of podns", with: ZoneContent(dashedAddresses: [pods: 5]))
        let reverse = try Zone.sample("0.0.10.in-addr.arpa", "1 PTR svc1.testns.svc.cluster.local.")
        asking = Asking(zone, reverse)
    }

    @Test(
        "a question gets its answer",
        arguments: [
            ("svc1.testns.svc A", "NOERROR", ["= svc1.testns.svc 5 IN A 10.0.0.1"]),
            ("svc1.testns.svc AAAA", "NOERROR", [soa]),
            ("svc1.testns.svc TXT", "NOERROR", [soa]),
            ("svc A", "NOERROR", [soa]),
            ("testns.svc A", "NOERROR", [soa]),
            ("svcempty.testns.svc A", "NOERROR", ["= svcempty.testns.svc 5 IN A 10.0.0.4"]),
            ("svc6.testns.svc AAAA", "NOERROR", ["= svc6.testns.svc 5 IN AAAA 1234:abcd::1"]),
            (
                "_http._tcp.svc1.testns.svc SRV", "NOERROR",
                ["= _http._tcp.svc1.testns.svc 5 IN SRV 0 100 80 svc1.testns.svc", "+ svc1.testns.svc 5 IN A 10.0.0.1"]
            ),
            ("_tcp.svc1.testns.svc SRV", "NOERROR", [soa]),
            ("_smtp._tcp.svc1.testns.svc SRV", "NXDOMAIN", [soa]),
            ("dual.testns.svc A", "NOERROR", ["= dual.testns.svc 5 IN A 10.0.0.3"]),
            ("dual.testns.svc AAAA", "NOERROR", ["= dual.testns.svc 5 IN AAAA 10::3"]),
            (
                "hdls1.testns.svc A", "NOERROR",
                (2...5).map { "= hdls1.testns.svc 5 IN A 172.0.0.\($0)" }
            ),
            (
                "hdls1.testns.svc AAAA", "NOERROR",
                (1...2).map { "= hdls1.testns.svc 5 IN AAAA 5678:abcd::\($0)" }
            ),
            (
                "_http._tcp.hdls1.testns.svc SRV", "NOERROR",
                ["172-0-0-2", "172-0-0-3", "dup-name", "5678-abcd--1", "5678-abcd--2"].map {
                    "= _http._tcp.hdls1.testns.svc 5 IN SRV 0 100 80 \($0).hdls1.testns.svc"
                } + [
                    "+ 172-0-0-2.hdls1.testns.svc 5 IN A 172.0.0.2", "+ 172-0-0-3.hdls1.testns.svc 5 IN A 172.0.0.3",
                    "+ dup-name.hdls1.testns.svc 5 IN A 172.0.0.4", "+ dup-name.hdls1.testns.svc 5 IN A 172.0.0.5",
                    "+ 5678-abcd--1.hdls1.testns.svc 5 IN AAAA 5678:abcd::1",
                    "+ 5678-abcd--2.hdls1.testns.svc 5 IN AAAA 5678:abcd::2",
                ]
            ),
            (
                "dup-name.hdls1.testns.svc A", "NOERROR",
                (4...5).map { "= dup-name.hdls1.testns.svc 5 IN A 172.0.0.\($0)" }
            ),
            ("172-0-0-2.hdls1.testns.svc A", "NOERROR", ["= 172-0-0-2.hdls1.testns.svc 5 IN A 172.0.0.2"]),
            ("bogus.hdls1.testns.svc A", "NXDOMAIN", [soa]),
            ("svc0.testns.svc A", "NXDOMAIN", [soa]),
            ("svc1.nons.svc A", "NXDOMAIN", [soa]),
            ("external.testns.svc A", "NOERROR", ["= external.testns.svc 5 IN CNAME ext.interwebs.test."]),
            ("external.testns.svc CNAME", "NOERROR", ["= external.testns.svc 5 IN CNAME ext.interwebs.test."]),
            (
                "external-to-service.testns.svc A", "NOERROR",
                [
                    "= external-to-service.testns.svc 5 IN CNAME svc1.testns.svc", "= svc1.testns.svc 5 IN A 10.0.0.1",
                ]
            ),
            (
                "external-to-service.testns.svc AAAA", "NOERROR",
                ["= external-to-service.testns.svc 5 IN CNAME svc1.testns.svc", soa]
            ),
            ("endpoint.external.testns.svc A", "NXDOMAIN", [soa]),
            ("dns-version TXT", "NOERROR", ["= dns-version 5 IN TXT \"1.1.0\""]),
            ("10-240-0-1.podns.pod A", "NOERROR", ["= 10-240-0-1.podns.pod 5 IN A 10.240.0.1"]),
            ("10-240-0-1.podns.pod AAAA", "NOERROR", [soa]),
            ("fd00--1.podns.pod AAAA", "NOERROR", ["= fd00--1.podns.pod 5 IN AAAA fd00::1"]),
            ("10-240-0.podns.pod A", "NXDOMAIN", [soa]),
            ("x.10-240-0-1.podns.pod A", "NXDOMAIN", [soa]),
            ("10-240-0-1.nons.pod A", "NXDOMAIN", [soa]),
            ("podns.pod A", "NOERROR", [soa]),
            ("1.0.0.10.in-addr.arpa. PTR", "NOERROR", ["= 1.0.0.10.in-addr.arpa. 5 IN PTR svc1.testns.svc"]),
            (
                "2.0.0.10.in-addr.arpa. PTR", "NXDOMAIN",
                [
                    "~ 0.0.10.in-addr.arpa. 3 IN SOA ns.dns.0.0.10.in-addr.arpa. hostmaster.0.0.10.in-addr.arpa. 7 7200 1800 "
                        + "86400 3"
                ]
            ),
            (". NS", "REFUSED", []),
            ("1.0.0.11.in-addr.arpa. PTR", "REFUSED", []),
        ])
    func answers(_ question: String, _ code: String, _ awaited: [String]) throws {
        let awaited = [code] + awaited.map(whole)
        for transport in [Circumstances.Transport.udp, .tcp] {
            for edns in [nil, EDNS(udpSize: 1232)] {
                var asking = asking
                asking.circumstances.transport = transport
                #expect(try asking.lines(whole(question), edns: edns) == awaited)
            }
        }
    }

    @Test("the case of the question is that of the answer")
    func cases() throws {
        let name = "SvC1.TeStNs.SVC.cluster.LOCAL."
        #expect(try asking.lines("\(name) A") == ["NOERROR", "= \(name) 5 IN A 10.0.0.1"])
        #expect(try asking.reply("\(name) A").questions.map(\.description) == ["\(name) IN A"])
    }

    @Test("the zone's own records are there")
    func apex() throws {
        let soa = "= cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 3"
        #expect(try asking.lines("cluster.local SOA") == ["NOERROR", soa])
        let servers = ["= cluster.local. 30 IN NS ns.dns.cluster.local.", "+ ns.dns.cluster.local. 30 IN A 10.0.0.10"]
        #expect(try asking.lines("cluster.local NS") == ["NOERROR"] + servers)
    }

    @Test("before the first sync every cluster name is a failure, with the reason, and other names are not")
    func sync() throws {
        var asking = asking
        for zone in asking.zones.all {
            var zone = zone
            zone.isComplete = false
            asking.zones.set(zone)
        }
        for question in [
            "svc1.testns.svc.cluster.local A", "nothing.cluster.local A", "cluster.local SOA", "1.0.0.10.in-addr.arpa PTR",
        ] {
            let reply = try asking.reply(question, edns: EDNS())
            #expect(reply.responseCode == .serverFailure && !reply.header.isAuthoritative)
            #expect(reply.answers.isEmpty && reply.authorities.isEmpty)
            #expect(reply.edns?.options.compactMap(\.extendedError) == [.notReady])
        }
        asking.circumstances.forwards = true
        let query = Message.query(Question(try #require(DomainName("example.org")), .a), id: 1)
        guard case .outside = asking.outcome(query) else {
            Issue.record("example.org is not forwarded")
            return
        }
    }

    /// Names without a dot at their end get the zone's, wherever they stand in a line.
    private func whole(_ line: String) -> String {
        line.split(separator: " ").enumerated().map { index, word in
            let isName = word.hasSuffix("svc") || word.hasSuffix("pod") || word == "svc" || word == "dns-version"
            return isName ? "\(word).cluster.local." : String(word)
        }.joined(separator: " ")
    }
}
