import Addressing
import CNI
import Plan
import Testing

@testable import Agent

@Suite("what a pod asks for: an address and a MAC")
struct WishTests {
    @Test(
        "an address is asked for by capability, by argument of the configuration or by CNI_ARGS",
        arguments: [
            (#","runtimeConfig":{"ips":["192.0.2.5/24"]}"#, ""),
            (#","runtimeConfig":{"ips":["192.0.2.5"]},"args":{"cni":{"ips":["192.0.2.4"]}}"#, ";IP=192.0.2.3"),
            (#","args":{"cni":{"ips":["192.0.2.5"]}}"#, ";IP=192.0.2.3"),
            (#","runtimeConfig":{"ips":null}"#, ";IP=192.0.2.5/29"),
        ])
    func ways(_ more: String, _ arguments: String) throws {
        let bench = try PodBench("192.0.2.0/29", "2001:db8::/64")
        #expect(try bench.addresses("c1", more: more, arguments: arguments) == ["192.0.2.5", "2001:db8::1"])
        #expect(try bench.addresses("c2") == ["192.0.2.1", "2001:db8::2"])
    }

    @Test("of both families, and given to nobody else before and after the agent was killed")
    func recorded() throws {
        let bench = try PodBench("192.0.2.0/29", "2001:db8::/64")
        let asked = #","runtimeConfig":{"ips":["2001:db8::77","192.0.2.2"]}"#
        #expect(try bench.addresses("c1", more: asked) == ["192.0.2.2", "2001:db8::77"])
        let next = try PodBench("192.0.2.0/29", "2001:db8::/64", after: bench)
        #expect(try next.addresses("c2") == ["192.0.2.1", "2001:db8::1"])
        #expect(try next.addresses("c3") == ["192.0.2.3", "2001:db8::2"])
        let failure = try #require(try next.call("ADD", "c4", more: asked).failure)
        #expect(failure.code == .tryAgainLater)
        #expect(failure.message == "the address 2001:db8::77 that was asked for is held by default/pod-c1")
        #expect(failure.details == "it is of the range 2001:db8::/64")
    }

    @Test(
        "an address that nobody may have is refused, with the range and the reason",
        arguments: [
            (#"["198.51.100.1"]"#, "is in none of this node's ranges", "192.0.2.0/29"),
            (#"["2001:db8::1"]"#, "is in none of this node's ranges", "192.0.2.0/29"),
            (#"["192.0.2.0"]"#, "is never given to a pod", "192.0.2.0/29"),
            (#"["192.0.2.7"]"#, "is never given to a pod", "192.0.2.0/29"),
            (#"["192.0.2.2","192.0.2.3"]"#, "is the second of 192.0.2.0/29", "one address of each range"),
            (#"["192.0.2"]"#, "“runtimeConfig.ips” is", "such as 192.0.2.7"),
            (#"[7]"#, "“runtimeConfig.ips” is 7", "list of addresses"),
            (#""192.0.2.2""#, "“runtimeConfig.ips” is", "list of addresses"),
        ])
    func impossible(_ ips: String, _ message: String, _ details: String) throws {
        let bench = try PodBench("192.0.2.0/29")
        let failure = try #require(try bench.call("ADD", more: #","runtimeConfig":{"ips":\#(ips)}"#).failure)
        #expect(failure.code == .badConfiguration)
        #expect(failure.message.contains(message))
        #expect(failure.details.contains(details))
        #expect(bench.directory.names(in: "state/attachments") == [] && bench.dataplane.links == [])
        #expect(try bench.addresses("c2") == ["192.0.2.1"], "nothing is held")
    }

    @Test("an address that rests is refused until it has rested")
    func resting() throws {
        let bench = try PodBench("192.0.2.0/29")
        let asked = #","runtimeConfig":{"ips":["192.0.2.1"]}"#
        #expect(try bench.addresses("c1") == ["192.0.2.1"])
        #expect(try bench.call("DEL", "c1").failure == nil)
        bench.advance(.seconds(10))
        let failure = try #require(try bench.call("ADD", "c2", more: asked).failure)
        #expect(failure.code == .tryAgainLater)
        #expect(failure.message == "the address 192.0.2.1 that was asked for was another pod's a moment ago")
        #expect(failure.details == "it is of the range 192.0.2.0/29, and rests for another 20.0 seconds")
        bench.advance(.seconds(20))
        #expect(try bench.addresses("c2", more: asked) == ["192.0.2.1"])
    }

    @Test("an exhausted range is named with its holders, the first of them by name")
    func exhausted() throws {
        let bench = try PodBench("192.0.2.0/28")
        for number in 1...14 { _ = try bench.addresses("c\(number)") }
        let failure = try #require(try bench.call("ADD", "c15").failure)
        #expect(failure.code == .tryAgainLater && failure.message == "no address is free in 192.0.2.0/28")
        #expect(
            failure.details.hasPrefix("14 are held by pods of this node: default/pod-c1, default/pod-c10, ")
                && failure.details.hasSuffix(" and 6 more"))
    }

    @Test("a MAC is asked for, told in the result, and kept over a kill")
    func mac() throws {
        let bench = try PodBench("192.0.2.0/29")
        let (_, document) = try bench.call("ADD", more: #","runtimeConfig":{"mac":"02:11:22:33:44:55"}"#)
        #expect(document?["interfaces"]?.array?.last?["mac"] == "02:11:22:33:44:55")
        let next = try PodBench("192.0.2.0/29", after: bench)
        #expect(next.service.attachments().all[id("c1")]?.podMAC == MACAddress("02:11:22:33:44:55"))
        #expect(try next.call("ADD", "c2", arguments: ";MAC=02:00:00:00:00:07").failure == nil)
        #expect(next.record("c2")?.attachment.podMAC == MACAddress("02:00:00:00:00:07"))
    }

    @Test(
        "a MAC that no link may have is refused",
        arguments: [#""01:00:5e:00:00:01""#, #""ff:ff:ff:ff:ff:ff""#, #""00:00:00:00:00:00""#, #""02:00""#, "7", #""x""#])
    func badMAC(_ mac: String) throws {
        let bench = try PodBench("192.0.2.0/29")
        let failure = try #require(try bench.call("ADD", more: #","runtimeConfig":{"mac":\#(mac)}"#).failure)
        #expect(failure.code == .badConfiguration && failure.message.contains("runtimeConfig.mac"))
    }
}
