public import KubeAPI

/// Something in the objects or on the node that cannot be carried out as written. It stands beside everything that still can.
public struct Problem: Hashable, Sendable {
    public var id: ID
    /// What it is about.
    public var subject: ObjectKey?
    /// What is the case, with names and addresses.
    public var message: String

    public init(_ id: ID, _ subject: ObjectKey?, _ message: String) {
        self.id = id
        self.subject = subject
        self.message = message
    }

    /// The kinds of problems. Each has a page `docs/problems/<id>.md` that says what to do; the ids are kept for good, because
    /// alerts and scripts name them.
    public enum ID: String, Hashable, Sendable, CaseIterable {
        /// An object breaks a rule of the API.
        case objectInvalid = "object-invalid"
        /// A source of objects cannot be read.
        case sourceUnreadable = "source-unreadable"
        case nodeUnknown = "node-unknown"
        case nodeWithoutAddress = "node-without-address"
        case nodeWithoutPodCIDR = "node-without-pod-cidr"
        case nodeAddressShared = "node-address-shared"
        case podCIDROverlap = "pod-cidr-overlap"
        /// The node's address is on no link of the node.
        case nodeAddressMissing = "node-address-missing"
        /// host-gw needs all nodes on one segment.
        case peerNotOnSegment = "peer-not-on-segment"
        /// A pod's link is gone although the pod is still attached.
        case podLinkMissing = "pod-link-missing"
        /// A link looks like a pod's, and nobody wrote down whose.
        case podLinkUnknown = "pod-link-unknown"
        /// What was written down of an attachment cannot be read.
        case recordUnreadable = "record-unreadable"
        /// The kernel refused a change.
        case changeRefused = "change-refused"
        /// Somebody else takes away, again and again, what the agent puts there.
        case undoneByOthers = "undone-by-others"
        /// The machine runs without IPv6, and pods should have it.
        case familyUnavailable = "family-unavailable"
    }

    public enum Severity: String, Hashable, Sendable, Comparable {
        case warning
        case error

        public static func < (a: Self, b: Self) -> Bool { a == .warning && b == .error }
    }
}

extension Problem.ID {
    public var severity: Problem.Severity {
        switch self {
        case .nodeWithoutPodCIDR, .nodeUnknown, .sourceUnreadable, .familyUnavailable: .warning
        case .objectInvalid, .nodeWithoutAddress, .nodeAddressShared, .podCIDROverlap, .nodeAddressMissing, .peerNotOnSegment,
            .podLinkMissing, .podLinkUnknown, .recordUnreadable, .changeRefused, .undoneByOthers:
            .error
        }
    }

    /// What a person can do about it, in one sentence.
    public var remedy: String {
        switch self {
        case .objectInvalid: "correct the field that the message names"
        case .sourceUnreadable: "make the file readable, or the server reachable; what it last said stays in force"
        case .nodeUnknown:
            "create the Node object of this name, or start the agent with --node and the right one; what was made stays meanwhile"
        case .nodeWithoutAddress: "give the node an InternalIP of this family in status.addresses"
        case .nodeWithoutPodCIDR: "give the node a range in spec.podCIDRs (kube-controller-manager: --allocate-node-cidrs)"
        case .nodeAddressShared: "give each node an InternalIP of its own"
        case .podCIDROverlap: "give each node a range in spec.podCIDRs that overlaps no other node's"
        case .nodeAddressMissing: "put the Node's InternalIP on a link of this node, or correct status.addresses"
        case .peerNotOnSegment: "use a backend that crosses routers, or put the nodes on one segment"
        case .podLinkMissing: "delete the pod: its replacement gets a new link"
        case .podLinkUnknown:
            "start the agent with the --state it was started with before; or delete the pods, and what is left with tulle agent --clean"
        case .recordUnreadable: "delete the pod: its replacement gets a new record; the old pod's link is left alone until then"
        case .changeRefused: "see the kernel's words in the message"
        case .undoneByOthers:
            "find who else keeps this node's network and stop one of the two; the agent tries again now and then"
        case .familyUnavailable: "start the machine without ipv6.disable=1, or give the node IPv4 ranges alone"
        }
    }
}

extension Problem: Comparable {
    /// The worst first, then by what they are about.
    public static func < (a: Problem, b: Problem) -> Bool {
        if a.id.severity != b.id.severity { return a.id.severity > b.id.severity }
        let (left, right) = (a.subject?.description ?? "", b.subject?.description ?? "")
        return (left, a.id.rawValue, a.message) < (right, b.id.rawValue, b.message)
    }
}

extension Problem: CustomStringConvertible {
    public var description: String {
        "\(id.severity.rawValue) \(id.rawValue): \(subject.map { "\($0): " } ?? "")\(message); \(id.remedy)"
    }
}
