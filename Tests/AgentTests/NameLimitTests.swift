import Addressing
import DNS
import Glibc
import Netlink
import Testing

@testable import Agent

extension KernelTests {
    @Suite("what a name server lets others cause, and tells of it", .timeLimit(.minutes(5)))
    struct NameLimitTests {
        private static let node = """
            ---
            apiVersion: v1
            kind: Node
            metadata: {name: n1}
            spec: {podCIDRs: [198.51.100.0/24]}

            """

        /// What becomes of so many questions at once.
        private func flood(_ names: NameProgram, at address: String, count: Int = 200) throws -> (
            whole: Int, cut: Int, silent: Int
        ) {
            let caller = try NameCaller(names.namespace, ip(address))
            for id in 0..<UInt16(count) { #expect(caller.send("web.shop.svc.cluster.local", id: id)) }
            var (whole, cut) = (0, 0)
            while whole + cut < count, let answer = caller.receive(within: whole + cut == 0 ? 20_000 : 1000) {
                if answer.header.isTruncated, answer.answers.isEmpty { cut += 1 } else { whole += 1 }
            }
            return (whole, cut, count - whole - cut)
        }

        @Test("a network outside the cluster is limited over UDP unless it is told otherwise; pods, nodes and TCP are not")
        func limited() throws {
            let names = try NameProgram(objects: NameProgram.objects + "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n")
            for address in ["198.51.100.7/32", "10.244.1.7/32"] {
                let outcome = try Program.run(try names.command(["ip", "address", "add", address, "dev", "lo"]))
                try #require(outcome.status == 0)
            }
            try names.start()
            // The limit comes with the list of nodes.
            try eventually("it is limited\n\(names.log)") {
                let outcome = try flood(names, at: "198.51.100.7")
                return outcome.cut > 0 && outcome.silent > 0
            }
            #expect(try names.ask("web.shop.svc.cluster.local", at: "198.51.100.7", isStream: true) == "NOERROR 10.96.0.80")
            for address in ["127.0.0.1", "10.244.1.7"] { #expect(try flood(names, at: address) == (200, 0, 0)) }
            let page = try #require(try names.page("/metrics")).body
            #expect(page.contains(#/tulle_dns_limited_total\{what="kept"\} [1-9]/#), "\(page)")

            // Turned off, and on again with another rate.
            try names.reload("forward: {upstreams: []}\nrateLimit: false\n")
            try eventually("nobody is limited") { try flood(names, at: "198.51.100.7") == (200, 0, 0) }
            try names.reload("forward: {upstreams: []}\nrateLimit: {responsesPerSecond: 1}\n")
            try eventually("it is limited") { try flood(names, at: "198.51.100.7").whole < 100 }
            // Its pods are there.
            try names.replace("objects.yaml", with: NameProgram.objects + Self.node)
            try eventually("nobody is limited") { try flood(names, at: "198.51.100.7") == (200, 0, 0) }
            try names.reload("forward: {upstreams: []}\nrateLimit: {responsesPerSecond: 1, exempt: [198.51.100.0/24]}\n")
            // Those that are named stand in the place of the private ones.
            try eventually("others are limited\n\(names.log)") { try flood(names, at: "10.244.1.7").whole < 100 }
        }

        @Test("queries are logged with the pod that asked, so many a second, and what was left out is told")
        func log() throws {
            let names = try NameProgram(
                objects: NameProgram.objects + NameProgram.pod("cart", at: "127.0.0.1"),
                configuration: "forward: {upstreams: []}\nlog: {queries: all, linesPerSecond: 50}\n")
            try names.start()
            #expect(try flood(names, at: "127.0.0.1") == (200, 0, 0))
            try eventually("what was left out is told\n\(names.log)") {
                names.log.contains("more queries until now are not in the log")
            }
            let line = "shop/cart (127.0.0.1) udp web.shop.svc.cluster.local. IN A NOERROR "
            try eventually("it has the pod's name\n\(names.log)") { names.log.contains(line) }
            try eventually("every query has a line or is counted") {
                let lines = names.log.split(separator: "\n").count { $0.contains(line) }
                let left = try names.figure("tulle_dns_log_left_out_total").flatMap { Int($0) } ?? 0
                return lines + left == 200 && left > 0
            }
            // A pod is known for its name alone: its search list is its own affair without --clients.
            #expect(try names.ask("web.shop.shop.svc.cluster.local") == "NXDOMAIN")
        }
    }
}
