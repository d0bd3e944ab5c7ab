import Addressing
import KubeAPI

extension Printer {
    static let service = Printer([
        Table.Column("Type"), Table.Column("Cluster-IP"), Table.Column("External-IP"), Table.Column("Port(s)"), .age,
        .wide("Selector"),
    ]) { object, now in
        let spec = object["spec"] ?? [:]
        let address = spec["clusterIPs"]?.array?.first?.string ?? spec["clusterIP"]?.string ?? ""
        let ports = spec["ports"]?.objects.map { port in
            let nodePort = port["nodePort"]?.integer ?? 0
            let number = "\(port["port"]?.integer ?? 0)" + (nodePort > 0 ? ":\(nodePort)" : "")
            return "\(number)/\(port.string("protocol"))"
        }
        return [
            spec["type"] ?? "", .string(address.isEmpty ? "<none>" : address), .string(externalAddress(object)),
            .string(ports.flatMap { $0.isEmpty ? nil : $0.joined(separator: ",") } ?? "<none>"), .string(object.age(now)),
            .string(labels(spec["selector"])),
        ]
    }

    private static func externalAddress(_ object: JSONValue) -> String {
        let own = object.at("spec", "externalIPs")?.array?.compactMap(\.string) ?? []
        func joined(_ list: [String]) -> String { list.isEmpty ? "<none>" : list.joined(separator: ",") }
        switch object.at("spec", "type")?.string {
        case "LoadBalancer":
            let all = balancers(object) + own
            return all.isEmpty ? "<pending>" : joined(all)
        case "ExternalName": return object.at("spec", "externalName")?.string ?? "<none>"
        case "ClusterIP", "NodePort": return joined(own)
        default: return "<unknown>"
        }
    }

    private static func balancers(_ object: JSONValue) -> [String] {
        (object.at("status", "loadBalancer", "ingress")?.objects ?? []).map { entry in
            let address = entry.string("ip")
            return address.isEmpty ? entry.string("hostname") : address
        }
    }

    static let endpoints = Printer([Table.Column("Endpoints"), .age]) { object, now in
        var list: [String] = []
        for subset in object["subsets"]?.objects ?? [] {
            let ports = subset.objects("ports")
            for address in subset.objects("addresses").map({ $0.string("ip") }) {
                let shown = IPAddress(address)?.family == .v6 ? "[\(address)]" : address
                list += ports.isEmpty ? [address] : ports.map { "\(shown):\($0["port"]?.integer ?? 0)" }
            }
        }
        return [.string(short(list)), .string(object.age(now))]
    }

    static let endpointSlice = Printer([
        Table.Column("AddressType"), Table.Column("Ports"), Table.Column("Endpoints"), .age,
    ]) { object, now in
        let ports = object["ports"]?.objects.map { $0["port"]?.integer.map(String.init) ?? "*" } ?? []
        let addresses = (object["endpoints"]?.objects ?? []).flatMap { $0["addresses"]?.array?.compactMap(\.string) ?? [] }
        return [
            object["addressType"] ?? "", .string(short(ports, none: "<unset>")), .string(short(addresses, none: "<unset>")),
            .string(object.age(now)),
        ]
    }

    /// The first three, and how many more there are.
    private static func short(_ list: [String], none: String = "<none>") -> String {
        if list.isEmpty { return none }
        let first = list.prefix(3).joined(separator: ",")
        return list.count > 3 ? "\(first) + \(list.count - 3) more..." : first
    }

    static let networkPolicy = Printer([Table.Column("Pod-Selector"), .age]) { object, now in
        [.string(selector(object.at("spec", "podSelector"))), .string(object.age(now))]
    }

    static let ingress = Printer([
        Table.Column("Class"), Table.Column("Hosts"), Table.Column("Address"), Table.Column("Ports"), .age,
    ]) { object, now in
        let spec = object["spec"] ?? [:]
        let legacy = object["metadata"]?.at("annotations", "kubernetes.io/ingress.class")?.string
        let hosts = (spec["rules"]?.objects ?? []).map { $0.string("host") }.filter { !$0.isEmpty }
        let shownHosts = hosts.isEmpty ? "*" : short(hosts)
        let hasTLS = spec["tls"]?.array?.isEmpty == false
        return [
            .string(spec["ingressClassName"]?.string ?? legacy ?? "<none>"), .string(shownHosts),
            .string(balancers(object).joined(separator: ",")), .string(hasTLS ? "80, 443" : "80"), .string(object.age(now)),
        ]
    }

    static let ingressClass = Printer([Table.Column("Controller"), Table.Column("Parameters"), .age]) { object, now in
        var shown = "<none>"
        if let parameters = object.at("spec", "parameters") {
            let group = parameters["apiGroup"]?.string.map { ".\($0)" } ?? ""
            shown = "\(parameters["kind"]?.string ?? "")\(group)/\(parameters["name"]?.string ?? "")"
        }
        return [object.at("spec", "controller") ?? "", .string(shown), .string(object.age(now))]
    }
}
