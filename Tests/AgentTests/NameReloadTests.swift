import Addressing
import DNS
import Glibc
import Netlink
import Testing

@testable import Agent

extension KernelTests {
    @Suite("a name server that is told otherwise while it is asked", .timeLimit(.minutes(5)))
    struct NameReloadTests {
        private static func hosts(_ address: String, _ more: String = "") -> String {
            "forward: {upstreams: []}\nhosts: {entries: {printer.example: \(address)}}\n\(more)"
        }

        private static let load = "printer.example"

        @Test(
            "another configuration is in force for everybody at one moment, and no question is lost",
            arguments: ["signal", "file"])
        func reload(_ way: String) throws {
            let names = try NameProgram(configuration: Self.hosts("192.0.2.1"))
            try names.start()
            let load = try NameLoad(Self.load, in: names.namespace, at: ip("127.0.0.1"))
            var wanted = ["NOERROR 192.0.2.1"]
            for last in 2...4 {
                try load.goOn()
                let text = Self.hosts("192.0.2.\(last)")
                if way == "signal" { try names.reload(text) } else { try names.replace(with: text) }
                wanted.append("NOERROR 192.0.2.\(last)")
                try names.untilIt(Self.load, is: wanted[wanted.count - 1])
            }
            try load.goOn()
            for heard in try load.end() {
                #expect(heard.lost == 0 && heard.answers == wanted, "\(heard)")
            }
        }

        @Test("a configuration with mistakes changes nothing, and is told with file, line and remedy until it is mended")
        func broken() throws {
            let names = try NameProgram(configuration: Self.hosts("192.0.2.1"))
            try names.start()
            #expect(try names.figure("coredns_reload_failed_total") == "0")
            let version = try names.figure("coredns_reload_version_info")
            #expect(version == "1")
            func label() throws -> Substring? {
                try names.page("/metrics")?.body.split(separator: "\n").first { $0.hasPrefix("coredns_reload_version_info") }
            }
            let first = try label()
            let load = try NameLoad(Self.load, in: names.namespace, at: ip("127.0.0.1"))
            try names.reload(Self.hosts("192.0.2.2", "cache:\n  prefech: 3\nttl: soon\n"))
            let mistake = "\(names.directory.path)/names.yaml:4:3: cache: \"prefech\" is unknown here; did you mean prefetch?"
            try eventually("the mistake is told\n\(names.log)") { names.log.contains(mistake) }
            #expect(names.log.contains("names.yaml:5:6: ttl: a time from 0 to 7d") && names.log.contains("stays in force"))
            try eventually("it is counted") { try names.figure("coredns_reload_failed_total") == "1" }
            let ready = try #require(try names.page("/ready", 8181))
            #expect(ready.status == 200 && ready.body.hasPrefix("OK\n") && ready.body.contains(mistake), "\(ready)")
            #expect(try label() == first)
            try load.goOn()
            try names.reload(Self.hosts("192.0.2.3"))
            try names.untilIt(Self.load, is: "NOERROR 192.0.2.3")
            try eventually("nothing is wrong any more") { try names.page("/ready", 8181)?.body == "OK" }
            #expect(try names.figure("coredns_reload_failed_total") == "1")
            #expect(try label() != first)
            for heard in try load.end() {
                #expect(heard.lost == 0 && heard.answers == ["NOERROR 192.0.2.1", "NOERROR 192.0.2.3"], "\(heard)")
            }
        }

        @Test("a file that the configuration names is read again too, and one with a mistake changes nothing")
        func named() throws {
            let names = try NameProgram()
            try names.directory.write("printer A 192.0.2.1\n", to: "zone")
            try names.replace(
                with: "forward: {upstreams: []}\nzones: [{name: example, file: \(names.directory.path)/zone}]\n")
            try names.start()
            #expect(try names.ask("printer.example") == "NOERROR 192.0.2.1")
            try names.replace("zone", with: "printer A 192.0.2.2\n")
            try names.untilIt("printer.example", is: "NOERROR 192.0.2.2")
            try names.replace("zone", with: "printer A 192.0.2\n")
            try eventually("the mistake is told\n\(names.log)") { names.log.contains("zone:1:11: ") }
            #expect(try names.ask("printer.example") == "NOERROR 192.0.2.2")
            try names.replace("zone", with: "printer A 192.0.2.3\n")
            try names.untilIt("printer.example", is: "NOERROR 192.0.2.3")
        }

        @Test("a list of thousands of hosts takes another's place while it is asked: no question is lost, and figures stay few")
        func lists() throws {
            func list(_ version: Int) -> String {
                "192.0.2.\(version) \(Self.load)\n"
                    + (0..<5000).map { "10.\(version).\($0 >> 8).\($0 & 255) h\($0).v\(version).example\n" }.joined()
            }
            let names = try NameProgram()
            try names.directory.write(list(1), to: "hosts")
            try names.replace(with: "forward: {upstreams: []}\nhosts: {file: \(names.directory.path)/hosts}\n")
            try names.start()
            let load = try NameLoad(Self.load, in: names.namespace, at: ip("127.0.0.1"))
            for version in 2...4 {
                try load.goOn()
                try names.replace("hosts", with: list(version))
                try names.untilIt(Self.load, is: "NOERROR 192.0.2.\(version)")
                for number in [0, 2500, 4999] {
                    #expect(
                        try names.ask("h\(number).v\(version).example")
                            == "NOERROR 10.\(version).\(number >> 8).\(number & 255)")
                    #expect(try names.ask("h\(number).v\(version - 1).example") == "REFUSED")
                }
            }
            try load.goOn()
            let wanted = (1...4).map { "NOERROR 192.0.2.\($0)" }
            for heard in try load.end() { #expect(heard.lost == 0 && heard.answers == wanted, "\(heard)") }
            let figures = try names.page("/metrics")?.body.split(separator: "\n").filter { $0.hasPrefix("tulle_dns_names{") }
            #expect(figures?.count == 4 && figures?.last == "tulle_dns_names{zone=\"hosts\"} 10002", "\(figures ?? [])")
        }

        @Test(
            "domain, time to live, names of pods and whom to ask hold at once; where to listen with the next start, and is told")
        func live() throws {
            let names = try NameProgram(
                objects: NameProgram.objects + NameProgram.pod("cart", at: "10.244.1.7"),
                configuration: "forward: {upstreams: []}\n")
            try names.start()
            let pods = ["10-244-1-7.shop.pod.cluster.local", "10-244-1-8.shop.pod.cluster.local"]
            func podNames() throws -> [String] { try pods.map { try names.ask($0) } }
            #expect(try podNames() == ["NXDOMAIN", "NXDOMAIN"])
            let load = try NameLoad("web.shop.svc.cluster.local", in: names.namespace, at: ip("127.0.0.1"))
            let base = "forward: {upstreams: []}\n"
            try names.reload(base + "pods: insecure\n")
            try names.untilIt(pods[1], is: "NOERROR 10.244.1.8")
            try names.reload(base + "pods: verified\n")
            try names.untilIt(pods[1], is: "NXDOMAIN")
            #expect(try podNames() == ["NOERROR 10.244.1.7", "NXDOMAIN"])
            // A pod that comes is there too.
            try names.replace(
                "objects.yaml",
                with: NameProgram.objects + NameProgram.pod("cart", at: "10.244.1.7")
                    + NameProgram.pod("till", at: "10.244.1.8"))
            try names.untilIt(pods[1], is: "NOERROR 10.244.1.8")
            try load.goOn()
            #expect(try load.end().allSatisfy { $0.lost == 0 && $0.answers == ["NOERROR 10.96.0.80"] })

            try names.reload(base + "ttl: 30s\nclusterDomain: k8s.example\n")
            try names.untilIt("web.shop.svc.k8s.example", is: "NOERROR 10.96.0.80")
            #expect(try names.ask("web.shop.svc.cluster.local") == "REFUSED")
            let caller = try NameCaller(names.namespace, ip("127.0.0.1"))
            #expect(caller.ask("web.shop.svc.k8s.example")?.answers.map(\.ttl.seconds) == [30])

            try names.reload("forward: {upstreams: 127.0.0.9}\ncache: {size: 0}\n")
            // Somebody is asked now, and nobody is there.
            try names.untilIt("www.example.org", is: "SERVFAIL")
            try names.reload(base)
            try names.untilIt("www.example.org", is: "REFUSED")

            try names.reload(base + "listen:\n  addresses: [127.0.0.1]\n  port: 5353\n")
            try eventually("it is told\n\(names.log)") {
                names.log.contains("names.yaml:2: listen: another place to listen at comes with the next start")
            }
            #expect(try names.ask("web.shop.svc.cluster.local") == "NOERROR 10.96.0.80")
        }

        @Test("the search list of a pod is gone through by the server while the configuration says so")
        func collapse() throws {
            let objects = NameProgram.objects + NameProgram.pod("cart", at: "127.0.0.1")
            let names = try NameProgram(
                objects: objects + "---\n" + NameProgram.objects.replacing("shop", with: "other").replacing("web", with: "till"))
            try names.start("--clients")
            let first = "till.other.shop.svc.cluster.local"
            try names.untilIt(first, is: "NOERROR till.other.svc.cluster.local. 10.96.0.80")
            try names.reload("forward: {upstreams: []}\nsearchCollapse: false\n")
            try names.untilIt(first, is: "NXDOMAIN")
            try names.reload("forward: {upstreams: []}\nsearchCollapse: true\n")
            try names.untilIt(first, is: "NOERROR till.other.svc.cluster.local. 10.96.0.80")
        }

        @Test("asked to stop, it says so first, answers who asks on, and loses nothing that it was asked")
        func farewell() throws {
            let names = try NameProgram(configuration: Self.hosts("192.0.2.1"))
            try names.start("--farewell", "10")
            let load = try NameLoad(Self.load, in: names.namespace, at: ip("127.0.0.1"))
            try load.goOn()
            kill(try #require(names.program?.process), SIGTERM)
            try eventually("it is not ready") { try names.page("/ready", 8181)?.status == 503 }
            #expect(try names.page("/health", 8080)?.status == 503)
            // Whoever sends goes elsewhere now.
            try load.goOn()
            for heard in try load.end() { #expect(heard.lost == 0 && heard.answers == ["NOERROR 192.0.2.1"], "\(heard)") }
            #expect(names.wait() == 0, "\(names.log)")
            #expect(names.log.contains("stopped; what was received is answered"))
        }
    }
}
