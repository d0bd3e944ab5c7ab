import Addressing
import ArgumentParser
import Plan

/// What all agents of a cluster are told of its network. Where they differ, nodes may not hear each other.
struct AgentNetworkOptions: ParsableArguments {
    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case hostGateway = "host-gw"
        case vxlan, none
    }

    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case routed, bridge
    }

    enum Answer: String, ExpressibleByArgument, CaseIterable {
        case yes, no
    }

    @Option(
        help: ArgumentHelp(
            """
            How packets get to other nodes' pods, the same on all nodes: host-gw (routes, nodes share a segment), vxlan (in UDP, \
            across routers), none (somebody else's routes).
            """, valueName: "kind"))
    var backend = Kind.hostGateway

    @Option(
        help: ArgumentHelp(
            """
            How pods that come hang on this node: routed (each by itself), bridge (ports of one bridge that has their gateway's \
            address). Those that are there stay as they are.
            """, valueName: "mode"))
    var podMode = Mode.routed

    @Option(
        name: .customLong("vxlan-vni"),
        help: ArgumentHelp("The tunnels' number, 1 to 16777215. [default: 84]", valueName: "number"))
    var vxlanID: UInt32?

    @Option(help: ArgumentHelp("The tunnels' UDP port. [default: 8472]", valueName: "port"))
    var vxlanPort: UInt16?

    @Flag(help: "With vxlan: nodes that share a segment send as with host-gw.")
    var vxlanDirectRouting = false

    @Option(
        help: ArgumentHelp(
            "The largest packet of pods, in bytes. [default: what the links between nodes and the backend leave]",
            valueName: "bytes"))
    var mtu: Int?

    @Option(
        help: ArgumentHelp("Whether pods take their node's address towards the world outside.", valueName: "answer"))
    var masquerade = Answer.yes

    @Option(
        help: ArgumentHelp(
            "Ranges outside the cluster where pods keep their own address, between commas.", valueName: "prefixes"))
    var nonMasquerade: String?

    @Option(
        help: ArgumentHelp(
            "With vxlan: seconds between tries of a tunnel that fails; ten times as many while none does; 0 for never.",
            valueName: "seconds"))
    var probePeriod: Double = 60

    func validate() throws {
        guard probePeriod == 0 || (1...86_400).contains(probePeriod) else {
            throw ValidationError("--probe-period \(probePeriod): 0, or between one second and a day (86400)")
        }
        _ = try settings()
    }

    func settings() throws -> NetworkSettings {
        NetworkSettings(
            backend: try backendSettings(), mtu: try checkedMTU(), masquerades: masquerade == .yes, reachable: try reachable(),
            podMode: podMode == .bridge ? .bridge : .routed)
    }

    private func backendSettings() throws -> Backend {
        let given = [
            ("--vxlan-vni", vxlanID != nil), ("--vxlan-port", vxlanPort != nil), ("--vxlan-direct-routing", vxlanDirectRouting),
        ]
        if backend != .vxlan, let (option, _) = given.first(where: \.1) {
            throw ValidationError("\(option) goes with --backend vxlan")
        }
        switch backend {
        case .hostGateway: return .hostGateway
        case .none: return .none
        case .vxlan:
            var tunnelling = Backend.Tunnelling(isDirectOnSegment: vxlanDirectRouting)
            if let vxlanID { tunnelling.id = vxlanID }
            if let vxlanPort { tunnelling.port = vxlanPort }
            guard Backend.Tunnelling.ids.contains(tunnelling.id) else {
                throw ValidationError("--vxlan-vni \(tunnelling.id): from 1 to 16777215")
            }
            guard tunnelling.port > 0 else { throw ValidationError("--vxlan-port 0: from 1 to 65535") }
            return .vxlan(tunnelling)
        }
    }

    private func checkedMTU() throws -> Int? {
        guard let mtu, !NetworkSettings.mtus.contains(mtu) else { return mtu }
        throw ValidationError("--mtu \(mtu): from \(NetworkSettings.mtus.lowerBound) to \(NetworkSettings.mtus.upperBound)")
    }

    private func reachable() throws -> [IPPrefix] {
        guard let nonMasquerade else { return [] }
        guard masquerade == .yes else { throw ValidationError("--non-masquerade says nothing where --masquerade is no") }
        return try nonMasquerade.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let prefix = IPPrefix(String(part)) else {
                throw ValidationError(
                    "--non-masquerade “\(part)” is no prefix; one is 192.168.0.0/16 (and no bits are set behind its length)")
            }
            return prefix
        }
    }
}
