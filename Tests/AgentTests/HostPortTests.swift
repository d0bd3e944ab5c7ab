import Addressing
import CNI
import Netlink
import Plan
import Testing

@testable import Agent

@Suite("ports of the node, and how fast")
struct HostPortTests {
    private func ports(_ entries: String) -> String { #","runtimeConfig":{"portMappings":[\#(entries)]}"# }
    private let web = #"{"hostPort":8080,"containerPort":80,"protocol":"tcp"}"#

    @Test("a port is said before ADD is answered, kept over a kill, and taken back by DEL")
    func life() throws {
        let bench = try PodBench("192.0.2.0/29", "2001:db8::/64")
        #expect(bench.tables.text == "")
        #expect(try bench.call("ADD", more: ports(web)).failure == nil)
        let said = bench.tables.text
        #expect(said.contains("tcp . 8080 : 192.0.2.1 . 80") && said.contains("tcp . 8080 : 2001:db8::1 . 80"))
        let next = try PodBench("192.0.2.0/29", "2001:db8::/64", after: bench)
        next.service.tidy()
        #expect(next.tables.text == said)
        #expect(try next.call("DEL").failure == nil)
        #expect(next.tables.text == "")
    }

    // The runtime saw a port that was open and led nowhere.
    @Test("an ADD whose ports are refused is refused, and leaves nothing")
    func refused() throws {
        let bench = try PodBench("192.0.2.0/29")
        bench.tables.refuse(KernelError(.notSupported, "add map"))
        #expect(try bench.call("ADD", more: ports(web)).failure?.code == .inputOutput)
        #expect(bench.dataplane.links == [])
        bench.tables.refuse(nil)
        bench.service.tidy()
        #expect(bench.directory.names(in: "state/attachments") == [] && bench.tables.text == "")
        #expect(try bench.call("ADD", "c2", more: ports(web)).failure == nil)
    }

    @Test("a port that another pod has is refused with that pod's name, until it is gone")
    func conflict() throws {
        let bench = try PodBench("192.0.2.0/29")
        #expect(try bench.call("ADD", "c1", more: ports(web)).failure == nil)
        let other = #"{"hostPort":8080,"containerPort":81,"hostIP":"192.0.2.99"}"#
        let failure = try #require(try bench.call("ADD", "c2", more: ports(other)).failure)
        #expect(failure.code == .refused)
        #expect(failure.message == "the host port tcp 192.0.2.99:8080 is held by default/pod-c1")
        #expect(
            try bench.call("ADD", "c2", more: ports(#"{"hostPort":8080,"containerPort":80,"protocol":"UDP"}"#)).failure == nil)
        #expect(try bench.call("DEL", "c1").failure == nil)
        #expect(try bench.call("ADD", "c3", more: ports(other)).failure == nil)
    }

    // podman and containerd say a pod's ports to each of its networks.
    @Test("of several interfaces of a pod with one port the first has it, and the next when that one is gone")
    func interfaces() throws {
        let bench = try PodBench("192.0.2.0/29")
        #expect(try bench.call("ADD", interface: "net9", more: ports(web)).failure == nil)
        for (interface, network) in [("net1", "more"), ("net2", "third")] {
            #expect(try bench.call("ADD", interface: interface, network: network, more: ports(web)).failure == nil)
        }
        func target() -> String? {
            bench.tables.text.split(separator: "tcp . 8080 : ").dropFirst().first.map { String($0.prefix { $0 != " " }) }
        }
        #expect(target() == "192.0.2.1")
        #expect(try bench.call("DEL", interface: "net9").failure == nil)
        #expect(target() == "192.0.2.2")
        #expect(try bench.call("DEL", interface: "net1").failure == nil)
        #expect(target() == "192.0.2.3")
        #expect(try bench.call("ADD", "c2", more: ports(web)).failure?.code == .refused)
    }

    @Test(
        "a hostIP of a family that the pod has no address of is refused, but where the port leads there otherwise",
        arguments: [
            (#"{"hostPort":80,"containerPort":80,"hostIP":"2001:db8::1"}"#, false),
            (#"{"hostPort":80,"containerPort":80,"hostIP":"::"}"#, false),
            (#"{"hostPort":80,"containerPort":80,"hostIP":"::"},{"hostPort":80,"containerPort":80,"hostIP":"0.0.0.0"}"#, true),
            (#"{"hostPort":80,"containerPort":80,"hostIP":"192.0.2.9"}"#, true),
        ])
    func families(_ entries: String, _ isGood: Bool) throws {
        let bench = try PodBench("192.0.2.0/29")
        let failure = try bench.call("ADD", more: ports(entries)).failure
        #expect(failure?.code == (isGood ? nil : .badConfiguration))
        #expect(isGood || bench.directory.names(in: "state/attachments") == [])
    }

    // The agent trapped, and in bridge mode again at every start.
    @Test(
        "limits that no link has are refused",
        arguments: ["ingressRate", "egressRate", "ingressBurst"], [UInt64(1_000_000_000_000_001), UInt64(Int64.max)])
    func limits(_ key: String, _ number: UInt64) throws {
        let bench = try PodBench("192.0.2.0/29")
        let rate = key.hasSuffix("Burst") ? #","ingressRate":8000"# : ""
        let asked = #","runtimeConfig":{"bandwidth":{"\#(key)":\#(number)\#(rate)}}"#
        #expect(try bench.call("ADD", more: asked).failure?.code == (number == .max ? .undecodable : .badConfiguration))
    }

    @Test("GC takes away the ports of what is not valid, and somebody's damage is made good")
    func garbage() throws {
        let bench = try PodBench("192.0.2.0/29")
        #expect(try bench.call("ADD", "c1", more: ports(web)).failure == nil)
        #expect(try bench.call("ADD", "c2", more: ports(#"{"hostPort":53,"containerPort":53,"protocol":"udp"}"#)).failure == nil)
        let said = bench.tables.text
        _ = try bench.tables.settle([:])
        #expect(try bench.call("CHECK", "c1", more: #","prevResult":{}"#).failure?.code == .differs)
        bench.service.lookAtPorts()
        #expect(bench.tables.text == said)
        #expect(try bench.call("CHECK", "c1", more: #","prevResult":{}"#).failure == nil)
        let kept = #","cni.dev/valid-attachments":[{"containerID":"c2","ifname":"eth0"}]"#
        #expect(try bench.call("GC", "", more: kept).failure == nil)
        #expect(!bench.tables.text.contains("8080") && bench.tables.text.contains("udp . 53"))
    }

    @Test("an entry without a port of the node asks for nothing, and every form is kept in the record")
    func forms() throws {
        let bench = try PodBench("192.0.2.0/29", "2001:db8:1::/64")
        let entries = [
            #"{"containerPort":80}"#, #"{"hostPort":0,"containerPort":80,"protocol":"tcp"}"#,
            #"{"hostPort":1,"containerPort":80,"protocol":"SCTP","hostIP":"0.0.0.0"}"#,
            #"{"hostPort":2,"containerPort":80,"protocol":"","hostIP":"::"}"#,
            #"{"hostPort":3,"containerPort":80,"hostIP":"2001:db8::9"}"#,
        ]
        #expect(try bench.call("ADD", more: ports(entries.joined(separator: ","))).failure == nil)
        #expect(
            bench.record("c1")?.attachment.ports == [
                PortMapping(.sctp, .every(.v4), 1, to: 80), PortMapping(.tcp, .every(.v6), 2, to: 80),
                PortMapping(.tcp, .one(try ip("2001:db8::9")), 3, to: 80),
            ])
    }

    @Test(
        "a mapping that makes no sense is refused with what it should be",
        arguments: [
            (#"{"hostPort":70000,"containerPort":80}"#, "hostPort is 1 to 65535"),
            (#"{"hostPort":-1,"containerPort":80}"#, "hostPort is 1 to 65535"),
            (#"{"hostPort":"80","containerPort":80}"#, "hostPort is 1 to 65535"),
            (#"{"hostPort":80}"#, "containerPort is 1 to 65535"),
            (#"{"hostPort":80,"containerPort":80,"protocol":"icmp"}"#, "protocol is tcp, udp or sctp"),
            (#"{"hostPort":80,"containerPort":80,"hostIP":"all"}"#, "hostIP is an address of the node"),
            ("7", "each is an object"),
            (
                #"{"hostPort":80,"containerPort":80},{"hostPort":80,"containerPort":81,"hostIP":"192.0.2.1"}"#,
                "tcp 192.0.2.1:80 and tcp 80 are one port"
            ),
        ])
    func malformed(_ entry: String, _ rule: String) throws {
        let bench = try PodBench("192.0.2.0/29")
        let failure = try #require(try bench.call("ADD", more: ports(entry)).failure)
        #expect(failure.code == .badConfiguration && failure.details == rule)
        #expect(failure.message.hasPrefix("“runtimeConfig.portMappings” is "))
    }

    // MARK: - How fast

    @Test(
        "limits are kept in the record; a burst that nobody meant is left out",
        arguments: [
            (#"{"ingressRate":1000000,"ingressBurst":80000}"#, Bandwidth(ingress: .init(rate: 1_000_000, burst: 80_000))),
            (#"{"egressRate":1000000,"egressBurst":4294967295}"#, Bandwidth(egress: .init(rate: 1_000_000))),
            (#"{"ingressRate":0,"ingressBurst":4294967295,"egressRate":5000}"#, Bandwidth(egress: .init(rate: 5000))),
            ("{}", Bandwidth()),
        ])
    func limits(_ asked: String, _ bandwidth: Bandwidth) throws {
        let bench = try PodBench("192.0.2.0/29")
        #expect(try bench.call("ADD", more: #","runtimeConfig":{"bandwidth":\#(asked)}"#).failure == nil)
        #expect(bench.record("c1")?.attachment.bandwidth == bandwidth)
        #expect(try PodBench("192.0.2.0/29", after: bench).service.attachments().all[id("c1")]?.bandwidth == bandwidth)
    }

    @Test(
        "limits that make no sense are refused",
        arguments: [#"{"ingressBurst":1}"#, #"{"egressRate":-5}"#, #"{"egressRate":10}"#, #"{"egressRate":"1M"}"#, "[]"])
    func badLimits(_ asked: String) throws {
        let bench = try PodBench("192.0.2.0/29")
        let failure = try bench.call("ADD", more: #","runtimeConfig":{"bandwidth":\#(asked)}"#).failure
        #expect(failure?.code == .badConfiguration && failure?.message.hasPrefix("“runtimeConfig.bandwidth” is ") == true)
    }
}
