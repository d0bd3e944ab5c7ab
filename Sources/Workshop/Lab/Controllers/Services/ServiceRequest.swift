import Addressing
import KubeAPI

/// A service on its way into the store: what its type and families come to, before anything is given to it.
struct ServiceRequest {
    private(set) var tree: JSONValue
    private let old: JSONValue?

    init(_ tree: JSONValue, replacing old: JSONValue?) {
        self.tree = tree
        self.old = old
    }

    var owner: String { ServiceAllocator.owner(tree) }

    private static func type(_ tree: JSONValue) -> String { tree[field: "spec", "type"]?.string ?? "ClusterIP" }
    private static func needsClusterIP(_ tree: JSONValue) -> Bool { type(tree) != "ExternalName" }
    private static func bearsNodePorts(_ tree: JSONValue) -> Bool { ["NodePort", "LoadBalancer"].contains(type(tree)) }
    private static func needsHealthPort(_ tree: JSONValue) -> Bool {
        type(tree) == "LoadBalancer" && tree[field: "spec", "externalTrafficPolicy"]?.string == "Local"
    }

    private static func clusterIPs(_ tree: JSONValue) -> [String] {
        let many = (tree[field: "spec", "clusterIPs"]?.array ?? []).compactMap(\.string)
        if !many.isEmpty { return many }
        let one = tree[field: "spec", "clusterIP"]?.string ?? ""
        return one.isEmpty ? [] : [one]
    }

    var needsClusterIP: Bool { Self.needsClusterIP(tree) }
    var needsHealthPort: Bool { Self.needsHealthPort(tree) }
    var isHeadless: Bool { clusterIPs.first == "None" }
    private var hasSelector: Bool { !(tree[field: "spec", "selector"]?.object?.isEmpty ?? true) }

    var givesNodePorts: Bool {
        Self.type(tree) == "NodePort"
            || Self.type(tree) == "LoadBalancer" && tree[field: "spec", "allocateLoadBalancerNodePorts"]?.bool != false
    }

    /// The older, single field follows the first of the list.
    var clusterIPs: [String] {
        get { Self.clusterIPs(tree) }
        set {
            tree[field: "spec", "clusterIP"] = newValue.first.map(JSONValue.string)
            tree[field: "spec", "clusterIPs"] = newValue.isEmpty ? nil : .array(newValue.map(JSONValue.string))
        }
    }

    private var familyNames: [String] {
        get { (tree[field: "spec", "ipFamilies"]?.array ?? []).compactMap(\.string) }
        set { tree[field: "spec", "ipFamilies"] = newValue.isEmpty ? nil : .array(newValue.map(JSONValue.string)) }
    }

    var families: [IPFamily] { familyNames.compactMap { name in IPFamily.allCases.first { $0.name == name } } }

    private var policy: String? {
        get { tree[field: "spec", "ipFamilyPolicy"]?.string }
        set { tree[field: "spec", "ipFamilyPolicy"] = newValue.map(JSONValue.string) }
    }

    var ports: [JSONValue] { tree[field: "spec", "ports"]?.array ?? [] }

    mutating func setNodePort(_ number: Int?, at position: Int) {
        var ports = ports
        ports[position][field: "nodePort"] = number.map { JSONValue($0) }
        tree[field: "spec", "ports"] = .array(ports)
    }

    var healthPort: Int? {
        get { tree[field: "spec", "healthCheckNodePort"]?.integer.flatMap { $0 == 0 ? nil : $0 } }
        set { tree[field: "spec", "healthCheckNodePort"] = newValue.map { JSONValue($0) } }
    }
}

// MARK: - What an update keeps and drops

extension ServiceRequest {
    /// An update that leaves out what was given keeps it; one that changes the type drops what the new type has no use for.
    mutating func carryOver() -> [FieldError] {
        let cluster = tree[field: "spec", "clusterIP"]?.string ?? ""
        guard let old else {
            clusterIPs = clusterIPs
            return primaryFaults(cluster)
        }
        let before = Self.clusterIPs(old)
        if needsClusterIP, Self.needsClusterIP(old) {
            let list = (tree[field: "spec", "clusterIPs"]?.array ?? []).compactMap(\.string)
            if cluster.isEmpty, list.isEmpty {
                clusterIPs = before
            } else if !cluster.isEmpty, list.isEmpty || (list == before && cluster != before.first) {
                // A client that knows only the older field.
                clusterIPs = [cluster] + before.dropFirst()
            } else {
                clusterIPs = list.isEmpty ? [cluster] : list
            }
            if let first = before.first, clusterIPs.first != first {
                let shown = JSONValue.array(clusterIPs.map(JSONValue.string))
                return [.invalid(FieldPath("spec", "clusterIPs").index(0), shown, "may not change once set")]
            }
        } else if !needsClusterIP {
            if clusterIPs == before { clusterIPs = [] }
            for field in ["ipFamilies", "ipFamilyPolicy"] where tree[field: "spec", field] == old[field: "spec", field] {
                tree[field: "spec", field] = nil
            }
        }
        carryPorts(from: old)
        return []
    }

    private func primaryFaults(_ cluster: String) -> [FieldError] {
        guard !cluster.isEmpty, let first = clusterIPs.first, first != cluster else { return [] }
        let shown = JSONValue.array(clusterIPs.map(JSONValue.string))
        return [.invalid(FieldPath("spec", "clusterIPs").index(0), shown, "first value must match `clusterIP`")]
    }

    private mutating func carryPorts(from old: JSONValue) {
        let before = old[field: "spec", "ports"]?.array ?? []
        func key(_ port: JSONValue) -> [JSONValue?] { [port["port"], port["protocol"] ?? "TCP"] }
        var taken = Set(ports.compactMap { $0["nodePort"]?.integer })
        for (position, port) in ports.enumerated() {
            let number = port["nodePort"]?.integer ?? 0
            let match = before.first { key($0) == key(port) }
            if Self.bearsNodePorts(tree) {
                if number == 0, Self.bearsNodePorts(old), givesNodePorts, let known = match?["nodePort"]?.integer,
                    taken.insert(known).inserted
                {
                    setNodePort(known, at: position)
                }
            } else if number != 0, before.contains(where: { $0["nodePort"]?.integer == number }) {
                setNodePort(nil, at: position)
            }
        }
        let health = old[field: "spec", "healthCheckNodePort"]?.integer
        if needsHealthPort {
            if healthPort == nil, Self.needsHealthPort(old) { healthPort = health }
        } else if healthPort == health {
            healthPort = nil
        }
    }
}

// MARK: - Families

extension ServiceRequest {
    /// - Parameter cluster: the cluster's families, the first the primary one.
    mutating func settleFamilies(_ cluster: [IPFamily]) -> [FieldError] {
        guard needsClusterIP, let primary = cluster.first, !isUntouchedPreference else { return [] }
        if policy == nil {
            let isOwn = isHeadless && !hasSelector
            policy = old?[field: "spec", "ipFamilyPolicy"]?.string ?? (isOwn ? "RequireDualStack" : "SingleStack")
        }
        var errors = settleChange() + singleFaults()
        errors += infer(cluster)
        guard errors.isEmpty else { return errors }
        if isHeadless, !hasSelector {
            if familyNames.isEmpty { familyNames = [primary.name] }
            if familyNames.count == 1, policy != "SingleStack" { familyNames.append(Self.other(than: familyNames[0])) }
            return []
        }
        if policy == "RequireDualStack", cluster.count < 2 {
            errors.append(
                .invalid(
                    FieldPath("spec", "ipFamilyPolicy"), "RequireDualStack",
                    "this cluster is not configured for dual-stack services"))
        }
        for (position, name) in familyNames.enumerated() where !cluster.contains(where: { $0.name == name }) {
            errors.append(
                .invalid(FieldPath("spec", "ipFamilies").index(position), .string(name), "not configured on this cluster"))
        }
        guard errors.isEmpty else { return errors }
        if familyNames.isEmpty { familyNames = [primary.name] }
        if policy != "SingleStack", familyNames.count == 1, cluster.count == 2 {
            familyNames.append(Self.other(than: familyNames[0]))
        }
        return []
    }

    private static func other(than name: String) -> String { name == "IPv4" ? "IPv6" : "IPv4" }

    /// A service that prefers two families is not given a second one because the cluster has learned it meanwhile.
    private var isUntouchedPreference: Bool {
        guard let old, policy == "PreferDualStack", old[field: "spec", "ipFamilyPolicy"]?.string == "PreferDualStack" else {
            return false
        }
        return clusterIPs == Self.clusterIPs(old) && tree[field: "spec", "ipFamilies"] == old[field: "spec", "ipFamilies"]
            && Self.needsClusterIP(old)
    }

    /// Going back to one family drops the second; dropping the second needs the policy that says so.
    private mutating func settleChange() -> [FieldError] {
        guard let old else { return [] }
        let (addresses, names) = (Self.clusterIPs(old), (old[field: "spec", "ipFamilies"]?.array ?? []).compactMap(\.string))
        if policy == "SingleStack" {
            if clusterIPs == addresses, clusterIPs.count > 1 { clusterIPs = [clusterIPs[0]] }
            if familyNames == names, familyNames.count > 1 { familyNames = [familyNames[0]] }
            return []
        }
        var errors: [FieldError] = []
        func refuse(_ what: String) {
            errors.append(
                .invalid(
                    FieldPath("spec", "ipFamilyPolicy"), .string(policy ?? ""),
                    "must be 'SingleStack' to release the secondary \(what)"))
        }
        if addresses.count == 2, clusterIPs.count == 1 { refuse("cluster IP") }
        if names.count == 2, familyNames.count == 1 { refuse("IP family") }
        return errors
    }

    private func singleFaults() -> [FieldError] {
        guard policy == "SingleStack" else { return [] }
        return [("cluster IPs", clusterIPs.count), ("IP families", familyNames.count)].filter { $0.1 == 2 }.map { what, _ in
            .invalid(
                FieldPath("spec", "ipFamilyPolicy"), "SingleStack",
                "must be 'RequireDualStack' or 'PreferDualStack' when multiple \(what) are specified")
        }
    }

    /// The families of the addresses that were asked for.
    private mutating func infer(_ cluster: [IPFamily]) -> [FieldError] {
        var errors: [FieldError] = []
        for (position, text) in clusterIPs.enumerated() where text != "None" && position >= familyNames.count {
            guard let family = IPAddress(text)?.family else {
                errors.append(
                    .invalid(FieldPath("spec", "clusterIPs").index(position), .string(text), FieldError.addressWanted))
                continue
            }
            if cluster.contains(family) {
                familyNames.append(family.name)
            } else {
                let shown = JSONValue.array(clusterIPs.map(JSONValue.string))
                errors.append(
                    .invalid(
                        FieldPath("spec", "clusterIPs").index(position), shown, "\(family.name) is not configured on this cluster"
                    ))
            }
        }
        return errors
    }
}
