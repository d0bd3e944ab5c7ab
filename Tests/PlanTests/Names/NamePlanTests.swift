import Addressing
import Cluster
import DNS
import KubeAPI
import Testing

@testable import Plan

@Suite("names from objects") struct NamePlanTests {
    private func asker(_ objects: [any KubernetesObject], _ settings: NameSettings = NameSettings()) -> NameAsker {
        NameAsker(zones: NamePlan(settings).zones(of: NamedObjects(objects)))
    }

    private func records(_ objects: [any KubernetesObject]) -> [String] {
        NamePlan().zones(of: NamedObjects(objects)).all.flatMap(\.records).filter {
            ![.soa, .ns, .txt].contains($0.type)
        }.map { "\($0.name) \($0.type) \($0.data)" }
    }

    @Test("a StatefulSet's pods have names below its headless service, ready or not when it says so")
    func statefulSet() throws {
        let slice = try NameFixture.slice("db-1", of: "db", ["192.0.2.7=db-0", "192.0.2.8=db-1!"])
        let names = { (spec: String) in
            records([try NameFixture.service("db", #""clusterIP": "None"\#(spec)"#), slice]).filter { $0.hasPrefix("db-") }
        }
        #expect(try names("") == ["db-0.db.testns.svc.cluster.local. A 192.0.2.7"])
        #expect(
            try names(#", "publishNotReadyAddresses": true"#)
                == ["db-0.db.testns.svc.cluster.local. A 192.0.2.7", "db-1.db.testns.svc.cluster.local. A 192.0.2.8"])
    }

    @Test("endpoints with hostnames have them below a service with an address too, and others have none")
    func addressed() throws {
        let objects = [
            try NameFixture.service("db", #""clusterIP": "10.0.0.1""#),
            try NameFixture.slice("db-1", of: "db", ["192.0.2.7=db-0", "192.0.2.8"]),
        ]
        #expect(
            records(objects) == [
                "1.0.0.10.in-addr.arpa. PTR db.testns.svc.cluster.local.",
                "7.2.0.192.in-addr.arpa. PTR db-0.db.testns.svc.cluster.local.",
                "db.testns.svc.cluster.local. A 10.0.0.1", "db-0.db.testns.svc.cluster.local. A 192.0.2.7",
            ])
    }

    @Test("a headless port is found where each endpoint has it")
    func ports() throws {
        let objects = [
            try NameFixture.service("web", #""clusterIP": "None", "ports": [\#(NameFixture.http)]"#),
            try NameFixture.slice(
                "web-1", of: "web", ["192.0.2.1"],
                ports: #"{"name": "http", "port": 8080}, {"name": "dns", "port": 53, "protocol": "UDP"}"#),
            try NameFixture.slice(
                "web-2", of: "web", ["192.0.2.2"], ports: #"{"name": "http", "port": 9090}, {"name": "", "port": 1}"#),
            try NameFixture.slice("web-3", of: "web", ["192.0.2.3"], ports: #"{"name": "any"}"#),
        ]
        #expect(
            records(objects).filter { $0.contains(" SRV ") } == [
                "_http._tcp.web.testns.svc.cluster.local. SRV 0 100 8080 192-0-2-1.web.testns.svc.cluster.local.",
                "_http._tcp.web.testns.svc.cluster.local. SRV 0 100 9090 192-0-2-2.web.testns.svc.cluster.local.",
                "_dns._udp.web.testns.svc.cluster.local. SRV 0 100 53 192-0-2-1.web.testns.svc.cluster.local.",
            ])
    }

    @Test(
        "what cannot be a name is a problem, and nothing else suffers",
        arguments: [
            (#""type": "ExternalName", "externalName": "192.0.2.7""#, [], "an alias leads to a name"),
            (#""type": "ExternalName", "externalName": "2001:db8::7""#, [], "an alias leads to a name"),
            (#""type": "ExternalName", "externalName": """#, [], "is no name of the DNS"),
            (#""type": "ExternalName", "externalName": "a..b""#, [], "is no name of the DNS"),
            (#""type": "ExternalName", "externalName": "a b.example""#, [], "is no name of the DNS"),
            (
                #""type": "ExternalName", "externalName": "\#(String(repeating: "a", count: 64)).example""#, [],
                "is no name of the DNS"
            ),
            (
                #""clusterIP": "10.0.0.1", "ports": [{"name": "\#(String(repeating: "p", count: 63))", "port": 80}]"#,
                ["1.0.0.10.in-addr.arpa. PTR x.testns.svc.cluster.local.", "x.testns.svc.cluster.local. A 10.0.0.1"],
                "behind an underscore"
            ),
        ])
    func problems(spec: String, expected: [String], words: String) throws {
        let objects = NamedObjects([try NameFixture.service("x", spec)])
        let part = NamePlan().parts(.service(ServiceIndex.Name(namespace: "testns", name: "x")), of: objects)
        let problem = try #require(part.first?.problems.first)
        #expect(problem.id == .nameUnusable && problem.message.contains(words) && part.first?.problems.count == 1)
        #expect(problem.subject?.name == "x")
        #expect(records([try NameFixture.service("x", spec)]) == expected)
    }

    @Test("a name that is no label has no records, and a hostname that is none gives way to the address")
    func labels() throws {
        #expect(records([try NameFixture.service("a.b", #""clusterIP": "10.0.0.1""#)]).isEmpty)
        #expect(records([try NameFixture.service("a", in: "b.c", #""clusterIP": "10.0.0.1""#)]).isEmpty)
        let objects = [
            try NameFixture.service("db", #""clusterIP": "None""#),
            try NameFixture.slice("db-1", of: "db", ["192.0.2.7=a.b"], ports: ""),
        ]
        #expect(
            records(objects) == [
                "7.2.0.192.in-addr.arpa. PTR 192-0-2-7.db.testns.svc.cluster.local.",
                "db.testns.svc.cluster.local. A 192.0.2.7", "192-0-2-7.db.testns.svc.cluster.local. A 192.0.2.7",
            ])
    }

    @Test("one that has no address yet, and slices without a service, have no names")
    func nothing() throws {
        #expect(records([try NameFixture.service("web", "")]).isEmpty)
        #expect(records([try NameFixture.slice("web-1", of: "web", ["192.0.2.1"])]).isEmpty)
    }

    @Test(
        "a pod's resolver appends what its policy and its configuration say",
        arguments: [
            ("", "ns.svc.cluster.local. svc.cluster.local. cluster.local. node.example. 5"),
            (#""dnsPolicy": "Default""#, "node.example. 1"),
            (#""dnsPolicy": "None", "dnsConfig": {"searches": ["a.example", "bad..name"]}"#, "a.example. 1"),
            (
                #""dnsConfig": {"searches": ["a.example", "node.example"], "options": [{"name": "ndots", "value": "2"}, {"name": "debug"}]}"#,
                "ns.svc.cluster.local. svc.cluster.local. cluster.local. node.example. a.example. 2"
            ),
            (#""hostNetwork": true"#, "node.example. 1"),
            (
                #""hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet""#,
                "ns.svc.cluster.local. svc.cluster.local. cluster.local. node.example. 5"
            ),
        ])
    func searches(spec: String, expected: String) throws {
        let pod = NamedPod(try #require(try NameFixture.pod("web", in: "ns", at: ["192.0.2.1"], spec: spec) as? Pod))
        let plan = NamePlan()
        let list = plan.searchList(of: pod, nodeSearches: [try #require(DomainName("node.example"))])
        #expect((list.searches.map(\.description) + ["\(list.dots)"]).joined(separator: " ") == expected)
        let client = plan.client(pod)
        #expect(client?.name == (pod.usesHostNetwork ? nil : "ns/web"), "a node's address is nobody's own")
    }
}
