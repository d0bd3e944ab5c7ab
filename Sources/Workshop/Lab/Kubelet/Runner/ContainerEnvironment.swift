import Addressing
import KubeAPI

/// The variables of a container, in the order in which they are told.
struct ContainerEnvironment {
    /// Data of ConfigMaps and Secrets that were found, by name.
    var configMaps: [String: [String: [UInt8]]] = [:]
    var secrets: [String: [String: [UInt8]]] = [:]
    var services: [(name: String, value: String)] = []
    var addresses: [IPAddress] = []
    var nodeAddresses: [IPAddress] = []

    /// A directory that no machine has: there lie `tulle-pod` and `tulle`, found after all other programs, for who asks from a pod.
    static let programs = "/.tulle"

    /// Why a container cannot be configured: kubelet's words.
    struct Missing: Error, CustomStringConvertible {
        var description: String
    }

    /// Services' variables first, then `envFrom`, then `env`, of which each may use those before it.
    func variables(of container: ContainerManifest, in pod: PodManifest) throws(Missing) -> [(name: String, value: String)] {
        var names: [String] = []
        var values: [String: String] = [:]
        func set(_ name: String, _ value: String) {
            if values.updateValue(value, forKey: name) == nil { names.append(name) }
        }
        set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:\(Self.programs)")
        set("HOSTNAME", pod.usesHostNetwork ? pod.tree["spec"]?["nodeName"]?.string ?? pod.hostname : pod.hostname)
        set("HOME", "/root")
        if container.hasTerminal { set("TERM", "xterm") }
        for (name, value) in services { set(name, value) }
        for source in container.environmentSources {
            guard let data = (source.isSecret ? secrets : configMaps)[source.name] else {
                if source.isOptional { continue }
                throw Missing(description: "\(source.isSecret ? "secret" : "configmap") \"\(source.name)\" not found")
            }
            for key in data.keys.sorted() { set(source.prefix + key, String(decoding: data[key] ?? [], as: UTF8.self)) }
        }
        for variable in container.environment {
            switch variable.value {
            case .text(let text): set(variable.name, Self.expand(text, values))
            case .field(let path): set(variable.name, field(path, of: pod))
            case .resource(let name, let resource, let divisor):
                let all = pod.containers + pod.initContainers
                let owner = name.flatMap { name in all.first { $0.name == name } } ?? container
                set(variable.name, Self.resource(resource, divisor, of: owner))
            case .configMap(let name, let key, let isOptional):
                if let value = try look(configMaps, "configmap", "ConfigMap", name, key, isOptional, pod) {
                    set(variable.name, value)
                }
            case .secret(let name, let key, let isOptional):
                if let value = try look(secrets, "secret", "Secret", name, key, isOptional, pod) { set(variable.name, value) }
            }
        }
        return names.map { ($0, values[$0] ?? "") }
    }

    private func look(
        _ all: [String: [String: [UInt8]]], _ word: String, _ kind: String, _ name: String, _ key: String, _ isOptional: Bool,
        _ pod: PodManifest
    ) throws(Missing) -> String? {
        guard let data = all[name] else {
            if isOptional { return nil }
            throw Missing(description: "\(word) \"\(name)\" not found")
        }
        if let value = data[key] { return String(decoding: value, as: UTF8.self) }
        if isOptional { return nil }
        throw Missing(description: "couldn't find key \(key) in \(kind) \(pod.metadata.namespace)/\(name)")
    }
}

extension ContainerEnvironment {
    /// `$(NAME)` by its value; `$$(NAME)` is `$(NAME)`, and a name nobody knows stays as it is written.
    static func expand(_ text: String, _ values: [String: String]) -> String {
        guard text.contains("$") else { return text }
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "$" {
                result += "$"
                rest = rest.dropFirst()
            } else if rest.first == "(", let end = rest.firstIndex(of: ")") {
                let name = String(rest[rest.index(after: rest.startIndex)..<end])
                result += values[name] ?? "$(\(name))"
                rest = rest[rest.index(after: end)...]
            } else {
                result += "$"
            }
        }
        return result + rest
    }

    /// A field of the pod by its path: what the downward API knows.
    func field(_ path: String, of pod: PodManifest) -> String {
        switch path {
        case "status.podIP": return addresses.first.map { "\($0)" } ?? ""
        case "status.podIPs": return addresses.map { "\($0)" }.joined(separator: ",")
        case "status.hostIP": return nodeAddresses.first.map { "\($0)" } ?? ""
        case "status.hostIPs": return nodeAddresses.map { "\($0)" }.joined(separator: ",")
        case "spec.serviceAccountName": return pod.serviceAccount
        case "metadata.labels", "metadata.annotations":
            let map = path == "metadata.labels" ? pod.metadata.labels : pod.metadata.annotations
            return map.sorted { $0.key < $1.key }.map { "\($0.key)=\(JSONValue.string($0.value))" }.joined(separator: "\n")
        default: break
        }
        if let open = path.firstIndex(of: "["), path.hasSuffix("']") {
            let key = String(path[path.index(open, offsetBy: 2)...].dropLast(2))
            return (path.hasPrefix("metadata.labels") ? pod.metadata.labels : pod.metadata.annotations)[key] ?? ""
        }
        var value: JSONValue? = pod.tree
        for name in path.split(separator: ".") { value = value?[String(name)] }
        return value?.string ?? ""
    }

    /// `limits.cpu` and its like, in units of the divisor, rounded up.
    static func resource(_ name: String, _ divisor: String, of container: ContainerManifest) -> String {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return "0" }
        let text = (parts[0] == "limits" ? container.limits : container.requests)[parts[1]] ?? container.limits[parts[1]] ?? "0"
        let unit = max(quantity(divisor == "0" ? "1" : divisor), 1e-9)
        let count = quantity(text) / unit
        return String(Int64(count) + (count > Double(Int64(count)) ? 1 : 0))
    }

    /// A number with a suffix of the API: `250m`, `64Mi`.
    static func quantity(_ text: String) -> Double {
        let suffixes: [(String, Double)] = [
            ("Ki", 0x1p10), ("Mi", 0x1p20), ("Gi", 0x1p30), ("Ti", 0x1p40), ("Pi", 0x1p50), ("m", 1e-3), ("k", 1e3), ("M", 1e6),
            ("G", 1e9), ("T", 1e12), ("P", 1e15),
        ]
        for (suffix, factor) in suffixes where text.hasSuffix(suffix) {
            return min(1e18, (Double(text.dropLast(suffix.count)) ?? 0) * factor)
        }
        return min(1e18, Double(text) ?? 0)
    }

    /// The variables by which a container finds the services of its namespace, as they are when it starts; headless ones have none.
    static func variables(of services: [JSONValue]) -> [(name: String, value: String)] {
        var result: [(name: String, value: String)] = []
        let named = services.sorted { ($0["metadata"]?["name"]?.string ?? "") < ($1["metadata"]?["name"]?.string ?? "") }
        for service in named {
            guard let name = service["metadata"]?["name"]?.string, let host = service["spec"]?["clusterIP"]?.string,
                !host.isEmpty, host != "None", let ports = service["spec"]?["ports"]?.array, let first = ports.first
            else { continue }
            let prefix = upper(name)
            func number(_ port: JSONValue) -> String { String(port["port"]?.number?.integer ?? 0) }
            func url(_ port: JSONValue) -> String {
                let shown = host.contains(":") ? "[\(host)]" : host
                return "\((port["protocol"]?.string ?? "TCP").lowercased())://\(shown):\(number(port))"
            }
            result += [("\(prefix)_SERVICE_HOST", host), ("\(prefix)_SERVICE_PORT", number(first))]
            for port in ports {
                guard let portName = port["name"]?.string, !portName.isEmpty else { continue }
                result.append(("\(prefix)_SERVICE_PORT_\(upper(portName))", number(port)))
            }
            result.append(("\(prefix)_PORT", url(first)))
            for port in ports {
                let transport = port["protocol"]?.string ?? "TCP"
                let stem = "\(prefix)_PORT_\(number(port))_\(transport.uppercased())"
                result += [
                    (stem, url(port)), ("\(stem)_PROTO", transport.lowercased()), ("\(stem)_PORT", number(port)),
                    ("\(stem)_ADDR", host),
                ]
            }
        }
        return result
    }

    private static func upper(_ name: String) -> String { String(name.uppercased().map { $0 == "-" ? "_" : $0 }) }
}
