import Cluster
import DNS
import Testing

@testable import Plan

@Suite("the names of a cluster's objects") struct NameTableTests {
    @Test("every question gets its answer, however it is asked", arguments: NameTable.rows)
    func rows(row: NameTable.Row) throws {
        let zones = NamePlan().zones(of: try NameFixture.named())
        for transport in [Circumstances.Transport.udp, .tcp] {
            for edns in [nil, EDNS(udpSize: 1232)] {
                let asker = NameAsker(zones: zones, circumstances: Circumstances(transport))
                #expect(try asker.lines(row.question, edns: edns) == [row.code] + row.lines)
            }
        }
    }

    @Test("before the objects are known nobody says what does not exist", arguments: NameTable.rows)
    func unknown(row: NameTable.Row) throws {
        let asker = NameAsker(zones: Zones(NamePlan().zones(isComplete: false)))
        let isOurs = ["cluster.local.", "arpa."].contains { row.question.lowercased().contains($0) }
        #expect(try asker.lines(row.question)[0] == (isOurs ? "SERVFAIL" : "REFUSED"))
    }

    @Test(
        "pods have the names that the mode gives them",
        arguments: [
            ("10-240-0-1.podns", [nil, "A 10.240.0.1", "A 10.240.0.1"], "a pod that is there"),
            ("fd00--1.podns", [nil, "AAAA fd00::1", "AAAA fd00::1"], "and its other family"),
            ("10-240-0-9.podns", [nil, "A 10.240.0.9", nil], "an address that no pod has"),
            ("10-240-0-2.podns", [nil, "A 10.240.0.2", nil], "a pod that has ended"),
            ("10-240-0-1.testns", [nil, "A 10.240.0.1", nil], "a pod of another namespace"),
            ("10-240-0-1.nons", [nil, nil, nil], "a namespace that is not there"),
            ("web.podns", [nil, nil, nil], "a pod's own name is none"),
            ("podns", [nil, "", ""], "the namespace itself exists where pods have names"),
            ("nons", [nil, nil, nil], "and not one that is not there"),
        ])
    func pods(name: String, expected: [String?], why: String) throws {
        for (mode, answer) in zip(NameSettings.PodRecords.allCases, expected) {
            let plan = NamePlan(NameSettings(pods: mode))
            let asker = NameAsker(zones: plan.zones(of: try NameFixture.named()))
            let type = answer?.hasPrefix("AAAA") == true ? "AAAA" : "A"
            let lines = try asker.lines("\(name).pod.cluster.local. \(type)")
            let wanted = answer.map { ["NOERROR", $0.isEmpty ? NameTable.soa : "= \(name).pod.cluster.local. 5 IN \($0)"] }
            #expect(lines == wanted ?? ["NXDOMAIN", NameTable.soa], "\(mode): \(why)")
        }
    }

    @Test("another domain, time to live and name server are as they are asked for")
    func settings() throws {
        let domain = try #require(DomainName("k8s.example.org"))
        let server = ServiceIndex.Name(namespace: "testns", name: "svc1")
        let plan = NamePlan(NameSettings(domain: domain, ttl: 30, server: server, serial: 7))
        let asker = NameAsker(zones: plan.zones(of: try NameFixture.named()))
        #expect(
            try asker.lines("svcempty.testns.svc.k8s.example.org A")
                == ["NOERROR", "= svcempty.testns.svc.k8s.example.org. 30 IN A 10.0.0.4"])
        #expect(
            try asker.lines("ns.dns.k8s.example.org A") == ["NOERROR", "= ns.dns.k8s.example.org. 30 IN A 10.0.0.1"])
        #expect(try asker.lines("svcempty.testns.svc.cluster.local A") == ["REFUSED"])
        #expect(try asker.lines("k8s.example.org SOA")[1].contains(" 7 7200 "))
    }
}
