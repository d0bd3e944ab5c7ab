import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Testing

extension KernelTests {
    @Suite("a second run of the agent")
    struct QuietTests {
        /// Hears everything rtnetlink tells about a namespace.
        final class Ear {
            private let subscription: Subscription

            init(_ namespace: NetworkNamespace) throws {
                // All groups but NOTIFY, which only repeats: links, neighbours, addresses, routes, rules, settings.
                let groups = [1] + Array(3...12) + Array(18...33) as [UInt32]
                subscription = try Subscription(.route, groups: groups, in: namespace)
                // What the kernel still has to say about what was done before.
                while try subscription.next(timeout: .milliseconds(300)) != nil {}
            }

            /// The types of the messages that come until none came for a while.
            func messages() throws -> [UInt16] {
                var types: [UInt16] = []
                while let event = try subscription.next(timeout: .milliseconds(300)) {
                    guard case .messages(let messages) = event else { throw Broken("overrun") }
                    types += messages.map(\.type)
                }
                return types
            }
        }

        @Test("writes nothing: no rtnetlink message, the same nf_tables generation", arguments: [SIGTERM, SIGKILL], [0, 2])
        func quiet(_ signal: Int32, _ count: Int) throws {
            let node = try TestNode()
            try node.start()
            let pods = try (0..<count).map { _ in try NetworkNamespace.new() }
            for (index, pod) in pods.enumerated() { try node.add("c\(index)", pod) }
            let whole = try node.whole()
            // A second file of attachments that rests: it is read and not written.
            let spare = try NetworkNamespace.new()
            try node.add("spare", spare)
            #expect(try node.call("DEL", "spare", spare.path) == .quiet)
            #expect(node.stop(by: signal) == (signal == SIGTERM ? 0 : 128 + SIGKILL))

            let ears = [node.namespace] + pods
            let listening = try ears.map(Ear.init)
            let generation = try node.generation()
            try node.start()
            for ear in listening { #expect(try ear.messages() == []) }
            #expect(try node.generation() == generation)
            #expect(node.status.rounds >= 1)
            #expect(node.status.changes == 0)
            #expect(try node.whole() == whole)

            // The ear hears, and so does the count: otherwise the silence would prove nothing.
            let route = try #require(node.host.observe(Interest()).routes.first { $0.proto == 84 })
            try node.change(.remove(.route(route)))
            try eventually("the route is back") { try node.whole() == whole }
            #expect(try listening[0].messages().isEmpty == false)
            #expect(node.status.changes == 1)
        }
    }
}
