import HostNetwork
import Netlink

/// One list of changes on its way into the kernel.
///
/// Requests are gathered and sent many at once. A request that needs the index of a link sends what was gathered first when
/// there are links in it that come or go: it may be one of them.
final class Application {
    private let host: KernelHost
    private var refusals: [(position: Int, refusal: Refusal)] = []
    private var gathered: [(position: Int, request: NetlinkRequest)] = []
    private var indices: [String: Int32] = [:]
    private var gatheredLinks = false
    /// Links that are being made, by name.
    private var making: [String: Link] = [:]
    private var changes: [Change] = []

    init(_ host: KernelHost) {
        self.host = host
        indices = host.indices
    }

    func run(_ changes: [Change]) throws(KernelError) -> [Refusal] {
        self.changes = changes
        var position = 0
        while position < changes.count {
            let settings = changes[position...].prefixOfSettings
            if settings.isEmpty {
                try carryOut(changes[position], at: position)
                position += 1
            } else {
                try write(settings, from: position)
                position += settings.count
            }
        }
        try send()
        return refusals.sorted { $0.position < $1.position }.map(\.refusal)
    }

    // MARK: - Parts that requests are made of

    /// Without IPv6 the kernel refuses a link's attributes of it, and no link makes itself an address: nothing is said.
    func sayable(_ makesLinkLocal: Bool?, of link: Link) -> Bool? { host.hasIPv6 && link.hasRoomForIPv6 ? makesLinkLocal : nil }

    /// The index of a link: asked once for each list of changes.
    func index(of link: String) throws(KernelError) -> Int32 {
        if let known = indices[link] { return known }
        if gatheredLinks { try send() }
        let found = try host.socket.link(named: link).index
        indices[link] = found
        return found
    }

    /// A link was made by this: its index, and its other end's in the namespace that was named for it.
    private func note(_ echo: Message) {
        guard let link = LinkMessage(echo), let name = link.name else { return }
        indices[name] = link.index
        guard let other = link.other, let made = making[name], case .veth(let peer?) = made.kind, let place = peer.namespace
        else { return }
        host.madeElsewhere[place, default: [:]][peer.name] = other
    }

    func namespace(_ name: String) throws(KernelError) -> NetworkNamespace {
        guard let namespace = host.namespaces[name] else {
            throw KernelError(.noSuchObject, "find namespace \(name)", explanation: "no namespace \(name)")
        }
        return namespace
    }

    // MARK: - Sending

    private func carryOut(_ change: Change, at position: Int) throws(KernelError) {
        if case .add(.link(let link)) = change { making[link.name] = link }
        do {
            for step in try steps(of: change) {
                // What follows the making of a link must not be done to a link of the same name that was there before.
                if step.waits {
                    try send()
                    guard !refusals.contains(where: { $0.position == position }) else { return }
                }
                for request in try step.requests() { gathered.append((position, request)) }
            }
        } catch {
            refusals.append((position, Refusal(change, error)))
        }
        switch change {
        case .add(.link): gatheredLinks = true
        case .remove(.link):
            gatheredLinks = true
            indices.removeAll()
        default: break
        }
    }

    private func write(_ settings: [Sysctl], from position: Int) throws(KernelError) {
        try send()
        for (offset, error) in try host.settings.write(settings).enumerated() {
            guard let error else { continue }
            refusals.append((position + offset, Refusal(changes[position + offset], error)))
        }
    }

    private func send() throws(KernelError) {
        guard !gathered.isEmpty else { return }
        let batch = gathered
        gathered.removeAll()
        gatheredLinks = false
        let outcomes: [KernelError?]
        do {
            outcomes = try host.socket.perform(batch.map(\.request), echo: note)
        } catch {
            throw error
        }
        for (entry, error) in zip(batch, outcomes) {
            guard let error, refusals.last?.position != entry.position else { continue }
            refusals.append((entry.position, Refusal(changes[entry.position], error)))
        }
    }
}

/// A part of a change.
struct Step {
    /// Only once all before it was accepted.
    var waits = false
    var requests: () throws(KernelError) -> [NetlinkRequest]
}

extension ArraySlice<Change> {
    /// The settings that this begins with: they are written by one thread.
    fileprivate var prefixOfSettings: [Sysctl] {
        var settings: [Sysctl] = []
        for change in self {
            switch change {
            case .add(.sysctl(let setting)), .change(_, .sysctl(let setting)): settings.append(setting)
            default: return settings
            }
        }
        return settings
    }
}
