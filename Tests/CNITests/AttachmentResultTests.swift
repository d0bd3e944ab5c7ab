import CNI
import Testing

@Suite("Attachment result")
struct AttachmentResultTests {
    static let result: AttachmentResult = {
        var route = AttachmentResult.Route(destination: "::/0", gateway: "fe80::1")
        route.mtu = 1400
        return AttachmentResult(
            interfaces: [.init(name: "eth0", mac: "02:00:00:00:00:01", mtu: 1450, sandbox: "/run/netns/blue")],
            ips: [
                .init(address: "192.0.2.7/32", gateway: "169.254.1.1", interface: 0),
                .init(address: "2001:db8::7/128", interface: 0),
            ],
            routes: [.init(destination: "0.0.0.0/0", gateway: "169.254.1.1"), route],
            dns: .init(nameservers: ["192.0.2.53"], domain: "example.org", search: ["a.example.org"]))
    }()

    @Test("each version has its own document")
    func versions() throws {
        let one = Self.result.json(.v1_1_0)
        #expect(
            one.description == """
                {"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01","mtu":1450,"sandbox":"/run/netns/blue"}],\
                "ips":[{"address":"192.0.2.7/32","gateway":"169.254.1.1","interface":0},{"address":"2001:db8::7/128","interface":0}],\
                "routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1","mtu":1400}],\
                "dns":{"nameservers":["192.0.2.53"],"search":["a.example.org"],"domain":"example.org"}}
                """)
        for version in SpecVersion.allCases {
            let document = Self.result.json(version)
            #expect(document["cniVersion"] == .string(version.rawValue))
            #expect(document["ips"]?.array?.compactMap { $0["version"]?.string } == (version < .v1_0_0 ? ["4", "6"] : []))
            #expect(document["interfaces"]?.array?.first?["mtu"] == (version < .v1_1_0 ? nil : 1450))
            #expect(document["routes"]?.array?.last?["mtu"] == (version < .v1_1_0 ? nil : 1400))
        }
    }

    @Test("the latest document reads back to the same result, an older one without what it cannot say")
    func roundTrip() throws {
        #expect(try AttachmentResult(json: Self.result.json(.latest)) == Self.result)
        let old = try AttachmentResult(json: Self.result.json(.v0_4_0))
        #expect(old.ips == Self.result.ips)
        #expect(old.interfaces.first?.mtu == nil)
    }

    // The result of a chain named our addresses alone, and the runtime lost what the plugin before us had made.
    @Test("in a chain the previous result stays whole, with what is not known here, and ours comes behind it")
    func chain() throws {
        let previous = try SmallJSON(
            reading: #"""
                {"cniVersion":"1.1.0","interfaces":[{"name":"net9","pciID":"0000:00:01.0"},{"name":"br0"}],
                "ips":[{"address":"198.51.100.7/24","interface":0,"custom":true}],"dns":{"nameservers":["192.0.2.99"]},"foreign":7}
                """#.utf8)
        let document = Self.result.json(.v1_1_0, after: previous)
        #expect(
            document.description == """
                {"cniVersion":"1.1.0","interfaces":[{"name":"net9","pciID":"0000:00:01.0"},{"name":"br0"},\
                {"name":"eth0","mac":"02:00:00:00:00:01","mtu":1450,"sandbox":"/run/netns/blue"}],\
                "ips":[{"address":"198.51.100.7/24","interface":0,"custom":true},\
                {"address":"192.0.2.7/32","gateway":"169.254.1.1","interface":2},{"address":"2001:db8::7/128","interface":2}],\
                "dns":{"nameservers":["192.0.2.99"]},"foreign":7,\
                "routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1","mtu":1400}]}
                """)
        // It still is a result.
        #expect(try AttachmentResult(json: document).ips.map(\.interface) == [0, 2, 2])
        #expect(Self.result.json(.v1_0_0, after: nil) == Self.result.json(.v1_0_0))
        #expect(Self.result.json(.v1_0_0, after: [:]) == Self.result.json(.v1_0_0))
    }

    @Test("an empty result is an empty document")
    func empty() {
        #expect(AttachmentResult().json(.v1_0_0).description == #"{"cniVersion":"1.0.0"}"#)
    }

    @Test(
        "a result that cannot be one is refused",
        arguments: [
            "[]", #"{"ips":{}}"#, #"{"ips":[{}]}"#, #"{"interfaces":[{"mac":"x"}]}"#, #"{"routes":[{"gw":"::1"}]}"#,
            #"{"ips":[{"address":"192.0.2.1/32","interface":0}]}"#,  // there is no interface 0
            #"{"dns":{"search":[1]}}"#,
        ])
    func refuses(_ text: String) {
        #expect { try AttachmentResult(json: SmallJSON(reading: text.utf8)) } throws: {
            ($0 as? Failure)?.code == .badConfiguration
        }
    }

    @Test("a failure reads back from its document")
    func failure() {
        let failure = Failure(.tryAgainLater, "the agent starts", details: "wait")
        #expect(
            failure.json(.v0_4_0).description == #"{"cniVersion":"0.4.0","code":11,"msg":"the agent starts","details":"wait"}"#)
        #expect(Failure(json: failure.json(.latest)) == failure)
    }
}
