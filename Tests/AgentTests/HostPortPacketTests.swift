import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("ports of the node, with packets")
    struct HostPortPacketTests {
        private let node: TestNode
        private let web: PodProcess
        private let walker: PodProcess

        init() throws {
            node = try TestNode()
            try node.start()
            (web, walker) = (try PodProcess(), try PodProcess())
        }

        private func ask(_ before: [String], _ transport: String, _ address: String, _ port: Int) throws -> Program.Outcome {
            try Program.run(
                before + [
                    try Program.product("tulle-pod"), "ask", "--\(transport)", address, "\(port)", "--timeout", "5000",
                ])
        }

        private var inNode: [String] {
            get throws { [try Program.product("tulle-pod"), "run", "--join", node.holder, "--namespaces", "net", "--"] }
        }

        private func add(_ ports: String, _ pod: PodProcess, _ container: String) throws -> AttachmentAddresses {
            let outcome = try node.call(
                "ADD", container, pod.namespace.path, more: #","runtimeConfig":{"portMappings":[\#(ports)]}"#)
            try #require(outcome.status == 0, "\(outcome)\n\(node.log.suffix(2000))")
            let record = try #require(
                AttachmentRecord(bytes: Array(node.directory.read("state/attachments/\(container):eth0").utf8)))
            return record.attachment.addresses.map(\.description)
        }

        private typealias AttachmentAddresses = [String]

        @Test("lead to the pod from outside, from the node itself, from another pod and from the pod itself, over both families")
        func packets() throws {
            let own = try add(
                #"{"hostPort":8080,"containerPort":80,"protocol":"tcp"},{"hostPort":5353,"containerPort":53,"protocol":"udp"}"#,
                web, "web")
            let others = try node.add("walker", walker.namespace).addresses
            let echo = try Program(web.command("echo", "--tcp", "80", "--udp", "53", "--name", "web"))
            defer { echo.end(by: SIGTERM) }
            _ = [echo.line(), echo.line()]
            let outside = ["nsenter", "--net=\(node.neighbour.path)", "--"]
            for (family, address) in ["192.0.2.1", "2001:db8::1"].enumerated() {
                func name(_ text: String) -> String { family == 0 ? text : "[\(text)]" }
                let callers: [(String, [String], String?)] = try [
                    ("outside", outside, name(["192.0.2.2", "2001:db8::2"][family])),
                    ("the node itself", inNode, name(address)),
                    ("another pod", walker.command(), name(others[family])),
                    // Its answer has to come back through the node: it sees the node.
                    ("itself", web.command(), nil),
                ]
                for (transport, port) in [("tcp", 8080), ("udp", 5353)] {
                    for (caller, command, seen) in callers {
                        let answer = try ask(command, transport, address, port)
                        #expect(answer.status == 0, "\(caller) by \(transport) to \(address): \(answer)")
                        #expect(answer.output.contains("pod=web"), "\(caller) by \(transport): \(answer)")
                        if let seen {
                            #expect(answer.output.contains(" client=\(seen):"), "\(caller) by \(transport): \(answer)")
                        } else {
                            #expect(!answer.output.contains(" client=\(name(own[family])):"), "\(answer)")
                        }
                    }
                }
            }
            let local = try ask(inNode, "tcp", "127.0.0.1", 8080)
            #expect(local.status == 0 && local.output.contains(" client=192.0.2.1:"), "\(local)")
            #expect(try ask(inNode, "udp", "127.0.0.1", 5353).status == 0)
            #expect(try ask(outside, "tcp", "192.0.2.1", 8081).status != 0)

            // What was connected stays so, and nothing is written, over a restart.
            let generation = try node.generation()
            node.stop(by: SIGKILL)
            try node.start()
            #expect(try node.generation() == generation)
            #expect(try ask(outside, "tcp", "192.0.2.1", 8080).status == 0)
            #expect(try node.call("DEL", "web", web.namespace.path) == .quiet)
            #expect(try ask(outside, "tcp", "192.0.2.1", 8080).status == 1, "refused by the node: nobody listens")
            #expect(try KernelTables(in: node.namespace).tables().contains { $0.name == "tulle-ports" } == false)
        }

        // The kernel sent it on to the pod that had the port before, or to the node itself, for as long as it sent.
        @Test("a client that goes on sending UDP reaches who has the port now")
        func movedPort() throws {
            let port = #"{"hostPort":5353,"containerPort":53,"protocol":"udp"}"#
            let clients = try ["192.0.2.2", "2001:db8::2"].map {
                try Datagrams(in: node.neighbour, at: ip($0).mapped, port: 4040)
            }
            let doors = try ["192.0.2.1", "2001:db8::1"].map { try ip($0).mapped }
            // Nobody has the port yet: the node refuses, and remembers where the client sends.
            for (client, door) in zip(clients, doors) { try client.send("hello", to: door, port: 5353) }
            for (name, pod) in [("web", web), ("walker", walker)] {
                _ = try add(port, pod, name)
                let echo = try Program(pod.command("echo", "--udp", "53", "--name", name))
                defer { echo.end(by: SIGTERM) }
                _ = echo.line()
                for (client, door) in zip(clients, doors) {
                    // What was refused before is told at the next send.
                    _ = try? client.send("hello", to: door, port: 5353)
                    try client.send("hello", to: door, port: 5353)
                    // An answer of the pod before may still be on its way.
                    while try !client.receive().text.contains("pod=\(name)") {}
                }
                #expect(try node.call("DEL", name, pod.namespace.path) == .quiet)
            }
        }

        @Test("on one address of the node lead to the pod by that address alone")
        func hostIP() throws {
            _ = try add(#"{"hostPort":8080,"containerPort":80,"hostIP":"127.0.0.1"}"#, web, "web")
            _ = try add(#"{"hostPort":8081,"containerPort":80,"hostIP":"2001:db8::1"}"#, walker, "walker")
            let echoes = try [web, walker].map { try Program($0.command("echo", "--tcp", "80")) }
            defer { for echo in echoes { echo.end(by: SIGTERM) } }
            for echo in echoes { _ = echo.line() }
            let outside = ["nsenter", "--net=\(node.neighbour.path)", "--"]
            #expect(try ask(inNode, "tcp", "127.0.0.1", 8080).status == 0)
            #expect(try ask(inNode, "tcp", "192.0.2.1", 8080).status == 1)
            #expect(try ask(outside, "tcp", "192.0.2.1", 8080).status == 1)
            #expect(try ask(outside, "tcp", "2001:db8::1", 8081).status == 0)
            #expect(try ask(outside, "tcp", "192.0.2.1", 8081).status == 1)
        }

        // route_localnet on a pod's link, which 127.0.0.1 needs, lets the pod at everything that listens on the node's 127.0.0.1.
        @Test("do not let a pod at what listens on the node's 127.0.0.1, and come back when somebody takes their table away")
        func guarded() throws {
            _ = try add(#"{"hostPort":8080,"containerPort":80}"#, web, "web")
            let secret = try Program(inNode + [try Program.product("tulle-pod"), "echo", "--udp", "7000"])
            defer { secret.end(by: SIGTERM) }
            _ = secret.line()
            let setup = [
                "ip", "addr", "del", "127.0.0.1/8", "dev", "lo",
            ]
            // A pod that is root in its own namespace may send to 127.0.0.1 by its link.
            _ = try Program.run(web.joined(setup))
            _ = try Program.run(
                web.joined(["ip", "route", "replace", "127.0.0.1/32", "via", "169.254.1.1", "dev", "eth0", "onlink"]))
            _ = try Program.run(web.joined(["sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"]))
            let answer = try Program.run(web.command("ask", "--udp", "127.0.0.1", "7000", "--timeout", "300"))
            #expect(answer.status == 2, "\(answer)")
            let tables = try KernelTables(in: node.namespace)
            let before = try tables.observe(.init(.ip, "tulle-ports"))?.table
            try tables.apply([.deleteTable(.init(.ip, "tulle-ports"))])
            try eventually("the table is back") { try tables.observe(.init(.ip, "tulle-ports"))?.table == before }
        }
    }
}

/// A pod with a process, which others can join.
struct PodProcess {
    let program: String
    let pause: Program
    let holder: String
    let namespace: NetworkNamespace

    init() throws {
        program = try Program.product("tulle-pod")
        pause = try Program([program, "pause", "--new", "net"])
        holder = pause.line()
        namespace = try NetworkNamespace(path: "/proc/\(holder)/ns/net")
    }

    /// `tulle-pod` in it; without words what comes before a command.
    func command(_ words: String...) -> [String] {
        [program, "run", "--join", holder, "--namespaces", "net", "--"] + (words.isEmpty ? [] : [program] + words)
    }

    func joined(_ words: [String]) -> [String] { command() + words }
    func end() { pause.end(by: SIGTERM) }
}
