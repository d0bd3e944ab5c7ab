import Addressing
import KubeAPI
import Testing

struct NetworkKindTests {
    private func read(_ kind: String, _ rest: String, group: String = "v1") throws -> Registry.Reading {
        Registry.standard.read(
            try JSONReader().value(
                #"{"apiVersion":"\#(group)","kind":"\#(kind)","metadata":{"name":"a","namespace":"d"},\#(rest)}"#))
    }

    @Test("a service is read with everything the network needs")
    func service() throws {
        let reading = try read(
            "Service",
            """
            "spec": {"type": "LoadBalancer", "clusterIP": "192.0.2.10", "clusterIPs": ["192.0.2.10", "2001:db8::10"],
              "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack", "selector": {"app": "web"},
              "ports": [{"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080, "appProtocol": "http"},
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353}],
              "externalIPs": ["198.51.100.1"], "sessionAffinity": "ClientIP", "externalTrafficPolicy": "Local",
              "internalTrafficPolicy": "Local", "trafficDistribution": "PreferClose", "healthCheckNodePort": 30099,
              "loadBalancerSourceRanges": ["203.0.113.0/24"], "publishNotReadyAddresses": true},
            "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}, {"hostname": "lb.example.org", "ipMode": "Proxy"}]}}
            """)
        #expect(reading.faults == [])
        let service = try #require(reading.object as? Service)
        #expect(service.spec.exposure == .loadBalancer)
        #expect(service.spec.clusterIPs.map(\.description) == ["192.0.2.10", "2001:db8::10"])
        #expect(service.spec.families == [.v4, .v6])
        #expect(service.spec.ports.map(\.target) == [.name("web"), .number(5353)])
        #expect(service.spec.ports.map(\.transport) == [.tcp, .udp])
        #expect(service.spec.ports[0].nodePort == 30080)
        #expect(service.spec.affinity == .seconds(10_800))
        #expect(service.spec.externalTrafficPolicy == .local)
        #expect(service.ingress.map(\.isVirtual) == [true, false])
        let headless = try #require(try read("Service", #""spec":{"clusterIP":"None"}"#).object as? Service)
        #expect(headless.spec.isHeadless)
        #expect(headless.faults() == [])
        #expect(headless.spec.affinity == nil)
    }

    @Test("an endpoint slice is read, with Kubernetes' defaults for what nobody says")
    func endpointSlice() throws {
        let reading = Registry.standard.read(
            try JSONReader().value(
                """
                {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv6",
                 "metadata": {"name": "a", "namespace": "d", "labels": {"kubernetes.io/service-name": "web"}},
                 "endpoints": [
                  {"addresses": ["2001:db8::1"], "nodeName": "n1", "zone": "z", "hostname": "web-0",
                   "hints": {"forZones": [{"name": "z"}], "forNodes": [{"name": "n1"}]}, "targetRef": {"kind": "Pod", "name": "web-0"}},
                  {"addresses": ["2001:db8::2"], "conditions": {"ready": false, "terminating": true}}],
                 "ports": [{"name": "http", "port": 8080}, {"name": "any", "protocol": "SCTP"}]}
                """))
        #expect(reading.faults == [])
        let slice = try #require(reading.object as? EndpointSlice)
        #expect(slice.serviceName == "web")
        #expect(slice.endpoints.map(\.isReady) == [true, false])
        #expect(slice.endpoints.map(\.isServing) == [true, false])
        #expect(slice.endpoints[1].isTerminating)
        #expect(slice.endpoints[0].zoneHints == ["z"])
        #expect(slice.endpoints[0].nodeHints == ["n1"])
        #expect(slice.ports.map(\.number) == [8080, nil])
    }

    @Test("a secret's bytes are decoded, and no text shows them")
    func secret() throws {
        let reading = try read("Secret", #""data":{"a":"c2VzYW1l"},"stringData":{"b":"open"}"#)
        let secret = try #require(reading.object as? Secret)
        #expect(secret.data == ["a": Array("sesame".utf8), "b": Array("open".utf8)])
        var text = "\(secret)"
        dump(secret, to: &text)
        #expect(!text.contains("115"), "the first byte")
        let config = try #require(
            try read("ConfigMap", #""data":{"x":"1"},"binaryData":{"y":"AA=="}"#).object as? ConfigMap)
        #expect(config.binaries == ["y": [0]])
    }

    @Test("a lease knows when its holder's time is over")
    func lease() throws {
        let reading = try read(
            "Lease", #""spec":{"holderIdentity":"n1","leaseDurationSeconds":40,"renewTime":"2026-01-01T00:00:00.000000Z"}"#,
            group: "coordination.k8s.io/v1")
        let lease = try #require(reading.object as? Lease)
        #expect(!lease.isExpired(at: Timestamp(seconds: 1_767_225_640)))
        #expect(lease.isExpired(at: Timestamp(seconds: 1_767_225_641)))
    }

    @Test("a policy is read: whom it is about, which way, and who may")
    func policy() throws {
        let reading = try read(
            "NetworkPolicy",
            """
            "spec": {"podSelector": {"matchLabels": {"app": "db"}},
              "ingress": [{"from": [{"podSelector": {}}, {"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}},
                  {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.8/29"]}}],
                "ports": [{"port": 5432}, {"port": 8000, "endPort": 8100}, {"port": "dns", "protocol": "UDP"}]}],
              "egress": [{}]}
            """, group: "networking.k8s.io/v1")
        #expect(reading.faults == [])
        let policy = try #require(reading.object as? NetworkPolicy)
        #expect(policy.podSelector == LabelSelector(matching: ["app": "db"]))
        #expect(policy.directions == [.ingress, .egress])
        #expect(policy.ingress[0].peers.count == 3)
        #expect(policy.ingress[0].peers[0] == .pods(LabelSelector()))
        #expect(policy.ingress[0].peers[1] == .namespaces(LabelSelector(), pods: LabelSelector(matching: ["a": "b"])))
        #expect(policy.ingress[0].ports.map(\.last) == [nil, 8100, nil])
        #expect(policy.egress.map(\.peers) == [[]])
        let bare = try read("NetworkPolicy", #""spec":{}"#, group: "networking.k8s.io/v1")
        #expect((bare.object as? NetworkPolicy)?.directions == [.ingress])
        #expect((bare.object as? NetworkPolicy)?.podSelector == LabelSelector())
    }

    @Test("what is wrong in a policy selects nobody rather than everybody")
    func wrongPolicy() throws {
        let reading = try read(
            "NetworkPolicy",
            """
            "spec": {"podSelector": {"matchLabels": {"a": "-"}}, "policyTypes": ["Both"],
              "ingress": [{"from": [{}, {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.3.0/24"]}},
                  {"ipBlock": {"cidr": "x"}, "podSelector": {}}],
                "ports": [{"port": 9, "endPort": 8}, {"endPort": 8}, {"port": "a", "endPort": 8}]}]}
            """, group: "networking.k8s.io/v1")
        let policy = try #require(reading.object as? NetworkPolicy)
        #expect(policy.podSelector == nil)
        #expect(policy.ingress[0].peers == [.nobody, .nobody, .nobody])
        let faults = reading.faults.map(\.description)
        let from = "spec.ingress[0].from"
        for expected in [
            "\(from)[0]: Required value: must specify a peer",
            "\(from)[1].ipBlock.except[0]: Invalid value: \"192.0.3.0/24\": must be a strict subset of `cidr`",
            "\(from)[2]: Forbidden: may not specify both ipBlock and another peer",
            "spec.policyTypes[0]: Unsupported value: \"Both\": supported values: \"Egress\", \"Ingress\"",
            "spec.ingress[0].ports[0].endPort: Invalid value: 8: must be greater than or equal to `port`",
            "spec.ingress[0].ports[1].endPort: Invalid value: 8: may not be specified when `port` is not specified",
            "spec.ingress[0].ports[2].endPort: Invalid value: 8: may not be specified when `port` is non-numeric",
        ] { #expect(faults.contains(expected), "\(expected)") }
    }

    @Test(
        "everything wrong with a port is told at once",
        arguments: [
            (
                #"{"protocol": "ICMP", "port": 81, "endPort": 80}"#,
                [
                    "protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
                    "endPort: Invalid value: 80: must be greater than or equal to `port`",
                ]
            ),
            (
                #"{"port": 70000, "endPort": 69000}"#,
                [
                    "port: Invalid value: 70000: must be between 1 and 65535, inclusive",
                    "endPort: Invalid value: 69000: must be greater than or equal to `port`",
                    "endPort: Invalid value: 69000: must be between 1 and 65535, inclusive",
                ]
            ),
            (
                #"{"protocol": 6, "endPort": 80}"#,
                [
                    "protocol: Invalid value: 6: must be a string, not a number",
                    "endPort: Invalid value: 80: may not be specified when `port` is not specified",
                ]
            ),
            (
                #"{"port": "Web", "endPort": 80}"#,
                ["port: Invalid value: \"Web\": ", "endPort: Invalid value: 80: may not be specified when `port` is non-numeric"]
            ),
            (#"{"port": true, "endPort": "80"}"#, ["port: Invalid value: true: ", "endPort: Invalid value: \"80\": "]),
            (
                #"{"port": 80, "endPort": 0}"#,
                ["endPort: Invalid value: 0: must be greater", "endPort: Invalid value: 0: must be between"]
            ),
        ])
    func wrongPort(_ port: String, _ expected: [String]) throws {
        let reading = try read(
            "NetworkPolicy", #""spec": {"ingress": [{"ports": [\#(port)]}]}"#, group: "networking.k8s.io/v1")
        let faults = reading.faults.map(\.description)
        #expect(faults.count == expected.count, "\(faults)")
        for (fault, words) in zip(faults, expected) { #expect(fault.hasPrefix("spec.ingress[0].ports[0].\(words)"), "\(fault)") }
        #expect((reading.object as? NetworkPolicy)?.ingress[0].ports == [.unreadable])
    }

    @Test("an IPv4-mapped range is the IPv4 range it stands for: no packet has such an address")
    func mappedRange() throws {
        let reading = try read(
            "NetworkPolicy",
            """
            "spec": {"egress": [{"to": [
              {"ipBlock": {"cidr": "::ffff:192.0.2.0/120", "except": ["192.0.2.64/26", "::ffff:192.0.2.7/128"]}},
              {"ipBlock": {"cidr": "::ffff:0:0/96"}}, {"ipBlock": {"cidr": "::/0"}}]}]}
            """, group: "networking.k8s.io/v1")
        #expect(reading.faults == [])
        let peers = try #require(reading.object as? NetworkPolicy).egress[0].peers
        func prefixes(_ texts: String...) -> [IPPrefix] { texts.compactMap { IPPrefix($0) } }
        let wanted: [NetworkPolicy.Peer] = [
            .block(prefixes("192.0.2.0/24")[0], except: prefixes("192.0.2.64/26", "192.0.2.7/32")),
            .block(prefixes("0.0.0.0/0")[0], except: []), .block(prefixes("::/0")[0], except: []),
        ]
        #expect(peers == wanted)
        let outside = try read(
            "NetworkPolicy",
            #""spec": {"egress": [{"to": [{"ipBlock": {"cidr": "::ffff:192.0.2.0/120", "except": ["192.0.3.0/26"]}}]}]}"#,
            group: "networking.k8s.io/v1")
        #expect(outside.faults.map(\.description).contains { $0.contains("must be a strict subset of `cidr`") })
    }

    @Test("an ingress is read with its rules, and what is missing is told")
    func ingress() throws {
        let reading = try read(
            "Ingress",
            """
            "spec": {"ingressClassName": "web", "tls": [{"hosts": ["*.example.org"], "secretName": "s"}],
              "defaultBackend": {"service": {"name": "other", "port": {"name": "http"}}},
              "rules": [{"host": "a.example.org", "http": {"paths": [
                {"path": "/a", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}
            """, group: "networking.k8s.io/v1")
        #expect(reading.faults == [])
        let ingress = try #require(reading.object as? Ingress)
        #expect(ingress.rules[0].paths[0].backend == .service(name: "web", port: .number(80)))
        #expect(ingress.defaultBackend == .service(name: "other", port: .name("http")))
        let wrong = try read(
            "Ingress",
            #""spec":{"rules":[{"host":"A","http":{"paths":[{"path":"a","backend":{"service":{"name":"web"}}},{"path":"/","pathType":"Exact"}]}}]}"#,
            group: "networking.k8s.io/v1")
        let paths = "spec.rules[0].http.paths"
        #expect(
            wrong.faults.map(\.description).filter { !$0.contains(".host:") } == [
                "\(paths)[0].pathType: Required value: pathType must be specified",
                "\(paths)[0].path: Invalid value: \"a\": must be an absolute path",
                "\(paths)[0].backend.service: Required value: port name or number is required",
                "\(paths)[1].backend: Required value: resource or service backend is required",
            ])
        #expect(try read("Ingress", #""spec":{}"#, group: "networking.k8s.io/v1").faults.count == 1)
    }

    static let faults: [(String, String, String)] = [
        ("Service", #""spec":{}"#, "spec.ports: Required value"),
        (
            "Service", #""spec":{"ports":[{"port":80},{"port":0,"name":"a"},{"port":80,"name":"a","nodePort":30000}]}"#,
            """
            spec.ports[0].name: Required value
            spec.ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive
            spec.ports[2].name: Duplicate value: "a"
            spec.ports[2]: Duplicate value: {"port":80,"protocol":"TCP"}
            spec.ports[2].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'
            """
        ),
        (
            "Service", #""spec":{"clusterIPs":["192.0.2.1","192.0.2.2"],"ports":[{"port":1}]}"#,
            #"spec.clusterIPs: Invalid value: ["192.0.2.1","192.0.2.2"]: may specify no more than one IP for each IP family"#
        ),
        ("Service", #""spec":{"type":"ExternalName"}"#, "spec.externalName: Required value"),
        (
            "Service", #""spec":{"type":"NodePort","clusterIP":"None","ports":[{"port":1,"targetPort":"8080"}]}"#,
            """
            spec.ports[0].targetPort: Invalid value: "8080": must contain at least one letter (a-z)
            spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services
            """
        ),
        (
            "Service",
            #""spec":{"ports":[{"port":1}],"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":0}}}"#,
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400"
        ),
        (
            "Service", #""spec":{"type":"Hidden","ipFamilies":["IPv5"],"ports":[{"port":1,"targetPort":true}]}"#,
            """
            spec.type: Unsupported value: "Hidden": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"
            spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"
            spec.ports[0].targetPort: Invalid value: true: must be a string, not a boolean
            """
        ),
        ("Secret", #""type":"kubernetes.io/tls","data":{"tls.crt":""}"#, "data[tls.key]: Required value"),
        ("Secret", #""data":{"a":"sesame!"}"#, #"data[a]: Invalid value: "…": must be base64"#),
        ("ConfigMap", #""data":{"..a":""}"#, #"data[..a]: Invalid value: "..a": must not start with '..'"#),
        (
            "ConfigMap", #""data":{"a":""},"binaryData":{"a":""}"#,
            #"binaryData[a]: Invalid value: "a": duplicate of key present in data"#
        ),
        (
            "Endpoints", #""subsets":[{},{"addresses":[{}],"ports":[{"port":0}]}]"#,
            """
            subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`
            subsets[1].addresses[0].ip: Required value
            subsets[1].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive
            """
        ),
    ]

    @Test("every fault is told, in kube-apiserver's words", arguments: faults)
    func wrong(_ kind: String, _ rest: String, _ faults: String) throws {
        #expect(try read(kind, rest).faults.map(\.description).joined(separator: "\n") == faults)
    }
}
