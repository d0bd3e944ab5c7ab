import Addressing
import Cluster
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("bridges of other plugins", .timeLimit(.minutes(5)))
    struct BridgeSurveyTests {
        private let namespace: NetworkNamespace
        private let survey: BridgeSurvey

        init() throws {
            namespace = try .new()
            survey = BridgeSurvey(namespace: namespace)
        }

        private func addBridge(_ name: String, _ address: String) throws {
            let host = try KernelHost(namespace)
            let own = try #require(InterfaceAddress(address))
            try #require(
                host.apply([
                    .add(.link(Link(name, .bridge, makesLinkLocal: false))), .add(.address(Address(own, on: name))),
                ]) == [])
        }

        /// - Returns: whether there is such a setting: without the module there is none.
        private func set(_ word: String) throws -> Bool {
            try namespace.perform { () throws(KernelError) in
                let file = open("/proc/sys/net/bridge/bridge-nf-call-iptables", O_WRONLY | O_CLOEXEC)
                guard file >= 0 else { return false }
                defer { close(file) }
                guard write(file, word, word.utf8.count) == word.utf8.count else {
                    throw KernelError(.inputOutput, "write a sysctl")
                }
                return true
            }
        }

        @Test("pods of one are seen where the kernel says so, and others not")
        func lookup() throws {
            let pod = try ip("198.51.100.7")
            #expect(survey.problems([pod]).isEmpty, "there is no bridge")
            try addBridge("docker0", "198.51.100.1/24")
            #expect(survey.problems([]).isEmpty)
            #expect(survey.problems([try ip("203.0.113.7")]).isEmpty, "it is on no bridge")
            #expect(survey.problems([try ip("198.51.100.1")]).isEmpty, "the bridge itself is no pod")
            func isSeen() -> Bool {
                let found = survey.problems([pod])
                #expect(found.allSatisfy { $0.id == .policyBridgeUnseen && $0.message.contains("docker0") })
                return found.isEmpty
            }
            guard try set("0") else { return #expect(!isSeen()) }
            #expect(!isSeen())
            #expect(try set("1") && isSeen())
        }

        @Test("our own bridge has rules of its own, and is none of them")
        func own() throws {
            try addBridge(PacketPath.podBridge, "198.51.100.1/24")
            _ = try set("0")
            #expect(survey.problems([try ip("198.51.100.7")]).isEmpty)
        }
    }
}
