public import CNI
import KubeAPI

extension PodManifest {
    /// What a runtime puts into `runtimeConfig` for a pod, of the capabilities that the configuration names: containers' host ports,
    /// and the limits of the annotations `kubernetes.io/ingress-bandwidth` and `kubernetes.io/egress-bandwidth`.
    ///
    /// As containerd does it: without the key where there is nothing to say, and with a burst of 2³² − 1 for “nobody said one”.
    ///
    /// - Returns: `nil` when nothing is to be said.
    public func runtimeConfiguration(for capabilities: SmallJSON?) -> SmallJSON? {
        var configuration: SmallJSON = [:]
        func has(_ name: String) -> Bool { capabilities?[name]?.bool == true }
        if has("portMappings"), !portMappings.isEmpty { configuration["portMappings"] = .array(portMappings) }
        if has("bandwidth"), let bandwidth { configuration["bandwidth"] = bandwidth }
        return configuration.members?.isEmpty == true ? nil : configuration
    }

    private var portMappings: [SmallJSON] {
        let containers = tree["spec"]?["containers"]?.array ?? []
        return containers.flatMap { $0["ports"]?.array ?? [] }.compactMap { port in
            guard let hostPort = port["hostPort"]?.number?.integer, hostPort > 0,
                let containerPort = port["containerPort"]?.number?.integer
            else { return nil }
            return [
                "hostPort": .number("\(hostPort)"), "containerPort": .number("\(containerPort)"),
                "protocol": .string((port["protocol"]?.string ?? "TCP").lowercased()),
                "hostIP": .string(port["hostIP"]?.string ?? ""),
            ]
        }
    }

    private var bandwidth: SmallJSON? {
        var limits: SmallJSON = [:]
        for way in ["ingress", "egress"] {
            guard let text = metadata.annotations[Self.annotation(way)], let rate = Self.bits(text) else { continue }
            limits["\(way)Rate"] = .number("\(rate)")
            limits["\(way)Burst"] = .number("\(UInt32.max)")
        }
        return limits.members?.isEmpty == true ? nil : limits
    }

    /// What is to be said of limits that nobody can read: the pod has none of them.
    var bandwidthFaults: [String] {
        ["ingress", "egress"].compactMap { way in
            let annotation = Self.annotation(way)
            guard let text = metadata.annotations[annotation], Self.bits(text) == nil else { return nil }
            return
                "the annotation \(annotation) is “\(text)”, which is no rate, and \(way) has no limit; make the pod anew with bits a second "
                + "from 1k to 1P, such as 10M"
        }
    }

    private static func annotation(_ way: String) -> String { "kubernetes.io/\(way)-bandwidth" }

    /// A quantity such as `10M` or `1500k`, as bits a second; `nil` for what is none, or outside a kilobit and a petabit.
    private static func bits(_ text: String) -> Int? {
        let digits = text.prefix { $0.isNumber || $0 == "." }
        let units: [Substring: Double] = [
            "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "Ki": 1024, "Mi": 1_048_576, "Gi": 1_073_741_824,
        ]
        guard let number = Double(digits), let unit = units[text.dropFirst(digits.count)] else { return nil }
        let bits = number * unit
        return (1000...1e15).contains(bits) ? Int(bits) : nil
    }
}
