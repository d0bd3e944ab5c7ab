import Addressing
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("how fast a pod may be")
    struct BandwidthTests {
        private let node: TestNode

        init() throws {
            node = try TestNode()
            try node.start()
        }

        /// 8 Mbit/s: a megabyte a second.
        private let limits =
            #","runtimeConfig":{"bandwidth":{"ingressRate":8000000,"ingressBurst":262144,"egressRate":8000000,"egressBurst":262144}}"#

        @Test("no more than the limit goes to a pod and comes from it, and CHECK knows the limits")
        func limit() throws {
            let pod = try NetworkNamespace.new()
            let outcome = try node.call("ADD", "c1", pod.path, more: limits)
            try #require(outcome.status == 0, "\(outcome)")
            let (far, near) = (try ip("fd00:10:244:1::1"), try ip("2001:db8::1"))
            let inPod = try Datagrams(in: pod, at: far, port: 9)
            let inNode = try Datagrams(in: node.namespace, at: near, port: 9)
            let text = String(repeating: "x", count: 1000)
            // The bucket, and what goes on top of a datagram, are what makes it less than a second.
            for (sender, receiver, target) in [(inNode, inPod, far), (inPod, inNode, near)] {
                let clock = ContinuousClock()
                let time = try clock.measure {
                    for _ in 0..<20 {
                        for _ in 0..<25 { try sender.send(text, to: target, port: 9) }
                        for _ in 0..<25 { _ = try receiver.receive() }
                    }
                }
                #expect(time > .milliseconds(440), "half a megabyte in \(time)")
            }
            let previous = #","prevResult":{"cniVersion":"1.1.0"}"#
            #expect(try node.call("CHECK", "c1", pod.path, more: previous) == .quiet)
            let inside = try KernelHost(pod)
            let bucket = try #require(try inside.observe(Interest([.qdiscs]))[.qdisc("eth0")])
            #expect(try inside.apply([.remove(bucket)]) == [])
            let failure = try #require(try node.call("CHECK", "c1", pod.path, more: previous).failure)
            #expect(failure.details.contains("pod: + qdisc tbf rate 1000000 burst 32768"))
            // The node's end the agent puts back by itself.
            #expect(try node.call("DEL", "c1", pod.path) == .quiet)
        }

        // A busy machine can make a stream slower and never faster, so of several tries one has to be fast enough.
        @Test("a limit holds within a tenth, to a pod and from it") func tenth() throws {
            let pod = try NetworkNamespace.new()
            try #require(try node.call("ADD", "c1", pod.path, more: limits).status == 0)
            let (far, near) = (try ip("fd00:10:244:1::1"), try ip("2001:db8::1"))
            let inPod = try Datagrams(in: pod, at: far, port: 9)
            let inNode = try Datagrams(in: node.namespace, at: near, port: 9)
            for (sender, receiver, target) in [(inNode, inPod, far), (inPod, inNode, near)] {
                var shares: [Double] = []
                while shares.count < 8, !shares.contains(where: { $0 > 0.9 }) {
                    shares.append(try share(from: sender, to: receiver, at: target))
                }
                #expect(shares.allSatisfy { $0 < 1.1 } && shares.contains { $0 > 0.9 }, "to \(target): \(shares)")
            }
        }

        /// How much of the limit a stream got whose bucket was empty when the clock was started, and is never full.
        private func share(from sender: Datagrams, to receiver: Datagrams, at target: IPAddress) throws -> Double {
            let text = String(repeating: "x", count: 1000)
            // With the headers of UDP, IPv6 and Ethernet.
            let (frame, waiting, before, count) = (1062, 25, 45, 400)
            func pass(_ count: Int) throws {
                for _ in 0..<count {
                    _ = try receiver.receive()
                    try sender.send(text, to: target, port: 9)
                }
            }
            for _ in 0..<waiting { try sender.send(text, to: target, port: 9) }
            try pass(before)
            let time = try ContinuousClock().measure { try pass(count) }
            for _ in 0..<waiting { _ = try receiver.receive() }
            return Double(count * frame) / (time / .seconds(1)) / 1_000_000
        }

        @Test("what somebody takes off the node's end comes back, and what somebody else put there stays")
        func repaired() throws {
            let (pod, other) = (try NetworkNamespace.new(), try NetworkNamespace.new())
            #expect(try node.call("ADD", "c1", pod.path, more: limits).status == 0)
            try node.add("c2", other)
            let key = HostNetwork.Key.qdisc(id("c1").link)
            let bucket = try #require(try node.host.observe(Interest([.qdiscs]))[key])
            let foreign = Object.qdisc(
                Qdisc(id("c2").link, .tokenBucket(.init(rate: 1_000_000, burst: 32768, limit: 100_000)), handle: 1))
            try node.change(.remove(bucket), .add(foreign))
            node.stop()
            try node.start()
            try eventually("it is back") { try node.host.observe(Interest([.qdiscs]))[key] == bucket }
            #expect(try node.host.observe(Interest([.qdiscs]))[.qdisc(id("c2").link)] != nil)
        }
    }
}
