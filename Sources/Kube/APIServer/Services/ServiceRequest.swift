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

    /// The service with its families decided, with what its old self had and it leaves out, and without what its old type alone
    /// needed. Addresses and ports are given later, inside the transaction.
    ///
    /// - Parameters:
    ///   - old: the service as stored, for an update.
    ///   - families: the cluster's, the first the primary one.
    static func settled(
        _ service: JSONValue, replacing old: JSONValue?, families: [IPFamily]
    ) throws(AllocationError) -> JSONValue {
        var request = ServiceRequest(service, replacing: old)
        var errors = request.carryOver()
        if errors.isEmpty { errors = request.settleFamilies(families) }
        guard errors.isEmpty else { throw .refused(errors) }
        return request.tree
    }

    var owner: String { Self.owner(tree) }

    static func owner(_ service: JSONValue) -> String { "\(service.namespace)/\(service.name)" }

    /// `nil` also for 0, which asks for any.
    static func nodePort(_ port: JSONValue) -> Int? {
        port["nodePort"]?.integer.flatMap { Int(exactly: $0) }.flatMap { $0 == 0 ? nil : $0 }
    }

    private static func type(_ tree: JSONValue) -> String { tree.at("spec", "type")?.string ?? "ClusterIP" }
    private static func needsClusterIP(_ tree: JSONValue) -> Bool { type(tree) != "ExternalName" }
    private static func bearsNodePorts(_ tree: JSONValue) -> Bool { ["NodePort", "LoadBalancer"].contains(type(tree)) }
    private static func needsHealthPort(_ tree: JSONValue) -> Bool {
        type(tree) == "LoadBalancer" && tree.at("spec", "externalTrafficPolicy")?.string == "Local"
    }

    private static func clusterIPs(_ tree: JSONValue) -> [String] {
        let many = (tree.at("spec", "clusterIPs")?.array ?? []).compactMap(\.string)
        if !many.isEmpty { return many }
        let one = tree.at("spec", "clusterIP")?.string ?? ""
        return one.isEmpty ? [] : [one]
    }

    var needsClusterIP: Bool { Self.needsClusterIP(tree) }
    var needsHealthPort: Bool { Self.needsHealthPort(tree) }
    var isHeadless: Bool { clusterIPs.first == "None" }
    private var hasSelector: Bool { !(tree.at("spec", "selector")?.object?.isEmpty ?? true) }

    var givesNodePorts: Bool {
        Self.type(tree) == "NodePort"
            || Self.type(tree) == "LoadBalancer" && tree.at("spec", "allocateLoadBalancerNodePorts")?.bool != false
    }

    /// The older, single field follows the first of the list.
    var clusterIPs: [String] {
        get { Self.clusterIPs(tree) }
        set {
            tree.set(newValue.first.map(JSONValue.string), at: "spec", "clusterIP")
            tree.set(Self.list(newValue), at: "spec", "clusterIPs")
        }
    }

    private static func list(_ texts: [String]) -> JSONValue? {
        if texts.isEmpty { return Optional.none }
        return .array(texts.map(JSONValue.string))
    }

    private static func healthPort(_ tree: JSONValue) -> Int? {
        tree.at("spec", "healthCheckNodePort")?.integer.flatMap { Int(exactly: $0) }.flatMap { $0 == 0 ? nil : $0 }
    }

    private var familyNames: [String] {
        get { (tree.at("spec", "ipFamilies")?.array ?? []).compactMap(\.string) }
        set { tree.set(Self.list(newValue), at: "spec", "ipFamilies") }
    }

    var families: [IPFamily] { familyNames.compactMap { name in IPFamily.allCases.first { $0.name == name } } }

    private var policy: String? {
        get { tree.at("spec", "ipFamilyPolicy")?.string }
        set { tree.set(newValue.map(JSONValue.string), at: "spec", "ipFamilyPolicy") }
    }

    var ports: [JSONValue] { tree.at("spec", "ports")?.array ?? [] }

    mutating func setNodePort(_ number: Int?, at position: Int) {
        var ports = ports
        ports[position].set(number.map(JSONValue.integer), at: "nodePort")
        tree.set(.array(ports), at: "spec", "ports")
    }

    var healthPort: Int? {
        get { Self.healthPort(tree) }
        set { tree.set(newValue.map(JSONValue.integer), at: "spec", "healthCheckNodePort") }
    }
}

// MARK: - What an update keeps and drops

extension ServiceRequest {
    /// An update that leaves out what was given keeps it; one that changes the type drops what the new type has no use for.
    mutating func carryOver() -> [FieldError] {
        let cluster = tree.at("spec", "clusterIP")?.string ?? ""
        guard let old else {
            clusterIPs = clusterIPs
            return primaryFaults(cluster)
        }
        let before = Self.clusterIPs(old)
        if needsClusterIP, Self.needsClusterIP(old) {
            let list = (tree.at("spec", "clusterIPs")?.array ?? []).compactMap(\.string)
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
        } else if needsClusterIP {
            clusterIPs = clusterIPs
            let faults = primaryFaults(cluster)
            guard faults.isEmpty else { return faults }
        } else {
            if clusterIPs == before { clusterIPs = [] }
            for field in ["ipFamilies", "ipFamilyPolicy"] where tree.at("spec", field) == old.at("spec", field) {
                tree.set(nil, at: "spec", field)
            }
        }
        carryPorts(from: old)
        dropFields(of: old)
        return carryHealthPort(from: old)
    }

    private func primaryFaults(_ cluster: String) -> [FieldError] {
        guard !cluster.isEmpty, let first = clusterIPs.first, first != cluster else { return [] }
        let shown = JSONValue.array(clusterIPs.map(JSONValue.string))
        return [.invalid(FieldPath("spec", "clusterIPs").index(0), shown, "first value must match `clusterIP`")]
    }

    private mutating func carryPorts(from old: JSONValue) {
        let before = old.at("spec", "ports")?.array ?? []
        func key(_ port: JSONValue) -> [JSONValue?] { [port["port"], port["protocol"] ?? "TCP"] }
        var taken = Set(ports.compactMap(Self.nodePort))
        for (position, port) in ports.enumerated() {
            let number = Self.nodePort(port)
            let match = before.first { key($0) == key(port) }
            if Self.bearsNodePorts(tree) {
                guard number == nil, Self.bearsNodePorts(old), givesNodePorts, let known = match.flatMap(Self.nodePort) else {
                    continue
                }
                if taken.insert(known).inserted { setNodePort(known, at: position) }
            } else if let number, before.contains(where: { Self.nodePort($0) == number }) {
                setNodePort(nil, at: position)
            }
        }
    }

    private mutating func carryHealthPort(from old: JSONValue) -> [FieldError] {
        let before = Self.healthPort(old)
        guard needsHealthPort else {
            if healthPort == before { healthPort = nil }
            return []
        }
        guard Self.needsHealthPort(old) else { return [] }
        if healthPort == nil { healthPort = before }
        guard let number = healthPort, let before, number != before else { return [] }
        return [
            .invalid(
                FieldPath("spec", "healthCheckNodePort"), .integer(number),
                "cannot change healthCheckNodePort on loadBalancer service with externalTraffic=Local during update")
        ]
    }

    /// What only the old type had a use for, and nobody changed.
    private mutating func dropFields(of old: JSONValue) {
        func isOutside(_ tree: JSONValue) -> Bool {
            Self.bearsNodePorts(tree) || tree.at("spec", "externalIPs")?.array?.isEmpty == false
        }
        func drop(_ fields: [String], when isOver: Bool) {
            guard isOver else { return }
            for field in fields where tree.at("spec", field) == old.at("spec", field) { tree.set(nil, at: "spec", field) }
        }
        drop(["externalTrafficPolicy"], when: isOutside(old) && !isOutside(tree))
        let isBalanced = (Self.type(old) == "LoadBalancer", Self.type(tree) == "LoadBalancer")
        drop(["allocateLoadBalancerNodePorts", "loadBalancerClass"], when: isBalanced.0 && !isBalanced.1)
    }
}

// MARK: - Families

extension ServiceRequest {
    /// - Parameter cluster: the cluster's families, the first the primary one.
    mutating func settleFamilies(_ cluster: [IPFamily]) -> [FieldError] {
        guard needsClusterIP, let primary = cluster.first, !isUntouchedPreference else { return [] }
        if policy == nil {
            let isOwn = isHeadless && !hasSelector
            policy = old?.at("spec", "ipFamilyPolicy")?.string ?? (isOwn ? "RequireDualStack" : "SingleStack")
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
        guard let old, policy == "PreferDualStack", old.at("spec", "ipFamilyPolicy")?.string == "PreferDualStack" else {
            return false
        }
        return clusterIPs == Self.clusterIPs(old) && tree.at("spec", "ipFamilies") == old.at("spec", "ipFamilies")
            && Self.needsClusterIP(old)
    }

    /// Going back to one family drops the second; dropping the second needs the policy that says so.
    private mutating func settleChange() -> [FieldError] {
        guard let old else { return [] }
        let (addresses, names) = (Self.clusterIPs(old), (old.at("spec", "ipFamilies")?.array ?? []).compactMap(\.string))
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
