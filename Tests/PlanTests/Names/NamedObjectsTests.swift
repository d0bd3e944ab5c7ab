import Addressing
import Cluster
import DNS
import KubeAPI
import Testing

@testable import Plan

@Suite("what names need of the objects") struct NamedObjectsTests {
    private static let web = ServiceIndex.Name(namespace: "n", name: "web")

    /// A slice of one endpoint, written as ``NameFixture/slice(_:of:in:_:ports:)`` has it; of nobody's when the service is empty.
    private func slice(_ name: String, of service: String, _ endpoints: String...) throws -> any KubernetesObject {
        // Not even a name that nothing may have is a mistake here.
        var slice = try NameFixture.slice("x", of: service, in: "n", endpoints)
        slice.metadata.name = name
        return slice
    }

    private func service(_ spec: String, _ name: String = "web") throws -> any KubernetesObject {
        var service = try NameFixture.service("x", in: "n", spec)
        service.metadata.name = name
        return service
    }

    private static let headless = #""clusterIP": "None""#
    private static let addressed = #""clusterIP": "10.0.0.1""#

    // MARK: What is kept

    @Test(
        "a service comes back as it went in, without what has no name",
        arguments: [
            ("", NamedService(kind: .addressed([], []))),
            (
                #""clusterIPs": ["10.0.0.1", "2001:db8::1"], "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 65535, "protocol": "UDP"}, {"name": "c", "port": 3, "protocol": "SCTP"}]"#,
                NamedService(
                    kind: .addressed(
                        [IPAddress("10.0.0.1"), IPAddress("2001:db8::1")].compactMap(\.self),
                        [
                            .init(name: "a", transport: .tcp, number: 1), .init(name: "b", transport: .udp, number: 65535),
                            .init(name: "c", transport: .sctp, number: 3),
                        ]))
            ),
            (
                #""clusterIP": "10.0.0.1", "ports": [{"port": 1}, {"name": "none"}], "publishNotReadyAddresses": true"#,
                NamedService(
                    kind: .addressed([IPAddress("10.0.0.1")].compactMap(\.self), []), publishesNotReadyAddresses: true)
            ),
            (#""clusterIP": "None", "ports": [{"name": "a", "port": 1}]"#, NamedService(kind: .headless)),
            (
                #""clusterIP": "None", "publishNotReadyAddresses": true"#,
                NamedService(kind: .headless, publishesNotReadyAddresses: true)
            ),
            (#""type": "ExternalName", "externalName": "ä.example""#, NamedService(kind: .alias("ä.example"))),
            (#""type": "ExternalName", "clusterIP": "None""#, NamedService(kind: .alias(""))),
            (
                #""type": "ExternalName", "externalName": "\#(String(repeating: "x", count: 20_000))""#,
                NamedService(kind: .alias(String(repeating: "x", count: 20_000)))
            ),
        ])
    func services(spec: String, expected: NamedService) throws {
        let found = NamedObjects([try service(spec)]).service(Self.web)
        #expect(found?.service == expected && found?.slices == [])
    }

    @Test("slices come back as they went in, in the order of their names, without what has no name")
    func slices() throws {
        let ports =
            #"{"name": "a", "port": 1}, {"name": "", "port": 2}, {"name": "any"}, {"name": "u", "port": 3, "protocol": "UDP"}"#
        let objects = NamedObjects([
            try NameFixture.slice("web-b", of: "web", in: "n", ["2001:db8::1", "::=host!"], ports: ports),
            try service(Self.headless),
            try NameFixture.slice("web-a", of: "web", in: "n", ["192.0.2.1=b", "255.255.255.255!"], ports: ""),
            try NameFixture.slice("web-c", of: "web", in: "n", []),
            try object(
                #"""
                {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "FQDN", "metadata": {"name": "0",
                 "namespace": "n", "labels": {"kubernetes.io/service-name": "web"}}, "endpoints": [{"addresses": ["a.example"]}]}
                """#),
        ])
        func endpoint(_ address: String, _ hostname: String = "", isReady: Bool = true) throws -> NamedSlice.Endpoint {
            .init(address: try #require(IPAddress(address)), hostname: hostname, isReady: isReady)
        }
        #expect(
            objects.service(Self.web)?.slices == [
                NamedSlice(),
                NamedSlice(endpoints: [try endpoint("192.0.2.1", "b"), try endpoint("255.255.255.255", isReady: false)]),
                NamedSlice(
                    ports: [.init(name: "a", transport: .tcp, number: 1), .init(name: "u", transport: .udp, number: 3)],
                    endpoints: [try endpoint("2001:db8::1"), try endpoint("::", "host", isReady: false)]),
                NamedSlice(ports: [.init(name: "http", transport: .tcp, number: 80)]),
            ])
    }

    @Test(
        "pods come back as they went in",
        arguments: Pod.DNSPolicy.allCases,
        [
            ("", false, [], nil),
            (#""hostNetwork": true"#, true, [], nil),
            (
                #""dnsConfig": {"searches": ["a.example", ""], "options": [{"name": "ndots", "value": "3"}]}"#, false,
                ["a.example", ""], 3
            ),
            (#""dnsConfig": {"options": [{"name": "ndots", "value": "-7"}]}"#, false, [], 0),
            (#""dnsConfig": {"options": [{"name": "ndots", "value": "99"}]}"#, false, [], 15),
            (#""dnsConfig": {"options": [{"name": "ndots", "value": "3"}, {"name": "ndots"}]}"#, false, [], nil),
        ] as [(String, Bool, [String], UInt8?)])
    func pods(policy: Pod.DNSPolicy, spec: (text: String, usesHostNetwork: Bool, searches: [String], dots: UInt8?)) throws {
        let text = [#""dnsPolicy": "\#(policy.rawValue)""#, spec.text].filter { !$0.isEmpty }.joined(separator: ", ")
        let pod = try NameFixture.pod("web-0", in: "n", at: ["192.0.2.1", "2001:db8::1"], spec: text)
        let found = try #require(NamedObjects([pod]).pod("n", "web-0"))
        #expect(found.namespace == "n" && found.name == "web-0" && found.policy == policy)
        #expect(found.addresses.map(\.description) == ["192.0.2.1", "2001:db8::1"])
        #expect(found.usesHostNetwork == spec.usesHostNetwork && found.searches == spec.searches && found.dots == spec.dots)
    }

    @Test(
        "any text is a name here, and no two are one",
        arguments: [
            "", "a", "a/b", "-", "--", "ä", "a\u{0}b", String(repeating: "n", count: 127), String(repeating: "-", count: 300),
        ])
    func names(name: String) throws {
        var objects = NamedObjects()
        let others = ["", "a", "a/b", "-", "x"]
        for other in others { objects.set(Service(metadata: ObjectMeta(name: other, namespace: name + "x"))) }
        let key = Service(metadata: ObjectMeta(name: name, namespace: name)).key
        #expect(objects.set(Service(metadata: ObjectMeta(name: name, namespace: name))).count == 1)
        #expect(objects.serviceCount == others.count + 1)
        #expect(objects.serviceNames.filter { $0 == .init(namespace: name, name: name) }.count == 1)
        #expect(objects.remove(key).count == 1 && objects.remove(key).isEmpty && objects.serviceCount == others.count)
        #expect(Set(objects.serviceNames) == Set(others.map { .init(namespace: name + "x", name: $0) }))
    }

    // MARK: What a change touches

    @Test("nothing is touched by what gives nothing another name")
    func untouched() throws {
        var objects = NamedObjects()
        // Without a service nothing has a name, and an alias has no endpoints.
        #expect(objects.set(try slice("web-1", of: "web", "192.0.2.1")).isEmpty)
        let alias = try service(#""type": "ExternalName", "externalName": "a.example""#)
        #expect(objects.set(alias) == [.service(Self.web)])
        #expect(objects.set(alias).isEmpty)
        #expect(objects.set(try slice("web-1", of: "web", "192.0.2.2=host")).isEmpty)
        #expect(objects.set(try service(Self.addressed)) == [.service(Self.web)])
        #expect(objects.set(try service(Self.addressed + #", "type": "NodePort", "externalIPs": ["192.0.2.9"]"#)).isEmpty)
        // Endpoints with a hostname have a name below an address too, and others have none.
        #expect(objects.set(try slice("web-2", of: "web", "192.0.2.3")).isEmpty)
        #expect(objects.set(try slice("web-1", of: "web", "192.0.2.2")) == [.service(Self.web)], "the host goes")
        #expect(objects.remove(try slice("web-2", of: "web").key).isEmpty)
        #expect(objects.set(try service(Self.headless)) == [.service(Self.web)])
        #expect(objects.service(Self.web)?.slices.map { $0.endpoints.map(\.address.description) } == [["192.0.2.2"]])
        #expect(objects.set(try slice("web-1", of: "web", "192.0.2.2")).isEmpty)
        #expect(objects.set(try slice("web-1", of: "web", "192.0.2.2!")) == [.service(Self.web)])
    }

    @Test("pods that have ended or are nowhere are not there, and namespaces are or are not")
    func others() throws {
        var objects = NamedObjects()
        let pod = try NameFixture.pod("web-0", in: "n", at: ["192.0.2.1"])
        let subject = Snapshot.Subject.pod(pod.key)
        #expect(objects.set(try NameFixture.pod("web-0", in: "n", at: [])).isEmpty)
        #expect(objects.set(pod) == [subject])
        #expect(objects.set(try NameFixture.pod("web-0", in: "n", at: ["192.0.2.1"], phase: "Pending")).isEmpty)
        #expect(objects.set(try NameFixture.pod("web-0", in: "n", at: ["192.0.2.2"])) == [subject])
        #expect(objects.set(try NameFixture.pod("web-0", in: "n", at: ["192.0.2.2"], phase: "Failed")) == [subject])
        #expect(objects.pod("n", "web-0") == nil && objects.remove(pod.key).isEmpty)
        #expect(objects.set(pod) == [subject] && objects.remove(pod.key) == [subject])
        #expect(objects.everyPod.map(\.name) == [])
        let namespace = try NameFixture.namespace("n")
        #expect(objects.set(namespace) == [.namespace("n")])
        #expect(objects.set(namespace).isEmpty && objects.hasNamespace("n"))
        #expect(objects.remove(namespace.key) == [.namespace("n")])
        #expect(objects.remove(namespace.key).isEmpty && !objects.hasNamespace("n"))
    }

    @Test(
        "a slice is its last owner's, however it is called, and goes when it is removed",
        arguments: ["web-1", "web", "other-1", "a-b-c", "a-b-", "-", "", "x"])
    func owners(name: String) throws {
        var objects = NamedObjects()
        let services = ["web", "a", "a-b", ""]
        for service in services { objects.set(try self.service(Self.headless, service)) }
        func owners() -> [String] {
            services.filter { objects.service(ServiceIndex.Name(namespace: "n", name: $0))?.slices.isEmpty == false }
        }
        func subjects(_ names: String...) -> Set<Snapshot.Subject> {
            Set(names.map { .service(ServiceIndex.Name(namespace: "n", name: $0)) })
        }
        #expect(objects.set(try slice(name, of: "web", "192.0.2.1")) == subjects("web"))
        #expect(owners() == ["web"])
        #expect(objects.set(try slice(name, of: "a", "192.0.2.1")) == subjects("web", "a"))
        #expect(owners() == ["a"])
        #expect(objects.set(try slice(name, of: "a-b", "192.0.2.1")) == subjects("a", "a-b"))
        #expect(owners() == ["a-b"])
        #expect(objects.set(try slice(name, of: "", "192.0.2.1")) == subjects("a-b"))
        #expect(owners().isEmpty)
        #expect(objects.set(try slice(name, of: "a", "192.0.2.1")) == subjects("a"))
        #expect(objects.remove(try slice(name, of: "").key) == subjects("a"))
        #expect(objects.remove(try slice(name, of: "").key).isEmpty && owners().isEmpty)
    }

    // MARK: As the objects have it

    @Test(
        "whatever comes in whatever order, it knows what the objects say, and touches nothing that stays as it is",
        arguments: Seed.fresh(12))
    func histories(seed: Seed) throws {
        var seed = seed
        var (objects, snapshot) = (NamedObjects(), Snapshot())
        var known: [ObjectKey: any KubernetesObject] = [:]
        for step in 0..<300 {
            let before = Self.content(objects)
            let (touched, expected): (Set<Snapshot.Subject>, Set<Snapshot.Subject>)
            if seed.chance(1, in: 3), let key = known.keys.sorted().randomElement(using: &seed) {
                let old = known.removeValue(forKey: key)
                (touched, expected) = (objects.remove(key), snapshot.remove(key).union(Self.subjects(old, nil)))
            } else {
                let object = try Self.random(&seed)
                let old = known.updateValue(object, forKey: object.key)
                (touched, expected) = (objects.set(object), snapshot.set(object).union(Self.subjects(old, object)))
            }
            let after = Self.content(objects)
            #expect(after == Self.content(snapshot, known), "step \(step)")
            #expect(touched.isSubset(of: expected))
            let plan = NamePlan(NameSettings(pods: .verified))
            for case .service(let name) in touched {
                // One that stayed has other names, or never had any.
                guard let old = before.services["\(name)"], let new = after.services["\(name)"] else { continue }
                if case .addressed([], _) = new.service.kind { continue }
                let texts = [Self.text(plan, name, old), Self.text(plan, name, new)]
                #expect(texts[0] != texts[1] || texts[0].isEmpty, "step \(step)")
            }
            for subject in expected.subtracting(touched) {
                // Their names are what they were: of the services that a slice says nothing of.
                guard case .service(let name) = subject else {
                    #expect(before == after)
                    continue
                }
                let old = before.services["\(name)"]
                #expect(old?.service.kind == after.services["\(name)"]?.service.kind)
                #expect(
                    old.map { Self.text(plan, name, $0) } == after.services["\(name)"].map { Self.text(plan, name, $0) })
            }
        }
        #expect(Self.content(NamedObjects(known.values.shuffled(using: &seed))) == Self.content(objects))
        for key in known.keys.sorted().shuffled(using: &seed) { objects.remove(key) }
        #expect(Self.content(objects) == Content() && objects.serviceCount == 0)
    }

    private struct Content: Equatable {
        var services: [String: Entry] = [:]
        var namespaces: [String] = []
        var pods: Set<NamedPod> = []
    }

    private struct Entry: Equatable {
        var service: NamedService
        var slices: [NamedSlice]
    }

    private static func content(_ objects: NamedObjects) -> Content {
        var content = Content(namespaces: objects.namespaceNames, pods: Set(objects.everyPod))
        for name in objects.serviceNames {
            content.services["\(name)"] = objects.service(name).map { Entry(service: $0.service, slices: $0.slices) }
        }
        return content
    }

    /// Of pods and namespaces, what a change touches.
    private static func subjects(_ old: (any KubernetesObject)?, _ new: (any KubernetesObject)?) -> Set<Snapshot.Subject> {
        switch old ?? new {
        case let namespace as Namespace: old as? Namespace == new as? Namespace ? [] : [.namespace(namespace.metadata.name)]
        case let pod as Pod: old as? Pod == new as? Pod ? [] : [.pod(pod.key)]
        default: []
        }
    }

    /// Services as a snapshot has them, pods and namespaces as they are.
    private static func content(_ snapshot: Snapshot, _ known: [ObjectKey: any KubernetesObject]) -> Content {
        var content = Content(namespaces: known.values.compactMap { ($0 as? Namespace)?.metadata.name }.sorted())
        let pods = known.values.compactMap { $0 as? Pod }
        content.pods = Set(pods.filter { !$0.isTerminal && !$0.status.podIPs.isEmpty }.map(NamedPod.init))
        for name in snapshot.services.names {
            content.services["\(name)"] = snapshot.services.service(name).map {
                Entry(service: NamedService($0), slices: snapshot.services.slices(of: name).map(NamedSlice.init))
            }
        }
        return content
    }

    /// All names that it has by itself.
    private static func text(_ plan: NamePlan, _ name: ServiceIndex.Name, _ entry: Entry) -> [String] {
        let part = plan.part(name, (entry.service, entry.slices))
        return part.contents.flatMap { $0.content.records.map(\.description) } + part.problems.map(\.message)
    }

    private static func random(_ seed: inout Seed) throws -> any KubernetesObject {
        let (name, namespace) = (["s", "s-t", "s-t-u"].randomElement(using: &seed) ?? "", "n\(seed.number(below: 2))")
        let number = seed.number(below: 3)
        switch seed.number(below: 6) {
        case 0, 1:
            let specs = [
                #""clusterIPs": ["10.0.0.\#(number)", "fd00::\#(number)"], "ports": [\#(NameFixture.http)]"#, headless,
                #""clusterIP": "None", "publishNotReadyAddresses": true"#, "",
                #""clusterIP": "None", "selector": {"app": "a"}"#,
                #""type": "ExternalName", "externalName": "s\#(number).example""#,
            ]
            return try NameFixture.service(name, in: namespace, specs[seed.number(below: specs.count)])
        case 2, 3:
            let network = seed.chance(1, in: 2) ? "192.0.2." : "2001:db8::"
            let endpoints = (0..<seed.number(below: 3)).map { _ in
                "\(network)\(seed.number(below: 3))" + ["", "=h\(number)", "=h.\(number)"][seed.number(below: 3)]
                    + (seed.chance(1, in: 3) ? "!" : "")
            }
            let slice = ["s-t-u-v", "s-t-1", "s-1", "x"].randomElement(using: &seed) ?? ""
            return try NameFixture.slice(slice, of: seed.chance(1, in: 8) ? "" : name, in: namespace, endpoints)
        case 4: return try NameFixture.namespace(namespace)
        default:
            return try NameFixture.pod(
                name, in: namespace, at: (0..<number).map { "192.0.2.\($0)" }, phase: seed.chance(1, in: 4) ? "Failed" : "Running"
            )
        }
    }
}
