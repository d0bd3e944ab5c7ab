import Addressing
import Glibc
import KubeAPI

extension PodRunner {
    func prepareVolumes(_ pod: PodManifest) async throws {
        try Files.makeDirectories(directory, mode: 0o755)
        for volume in pod.volumes {
            let place = "\(directory)/volumes/\(volume.name)"
            do {
                try await fill(place, volume.content, pod)
            } catch {
                throw LabError(.processFailed, "MountVolume.SetUp failed for volume \"\(volume.name)\" : \(error)")
            }
        }
    }

    private func fill(_ place: String, _ content: VolumeManifest.Content, _ pod: PodManifest) async throws {
        if case .host(let path, let kind) = content {
            guard access(path, F_OK) != 0 else { return }
            guard kind.hasSuffix("OrCreate") else { throw LabError(.objectsUnusable, "hostPath \(path) is not there") }
            // The machine is not changed: what is to be made is made in the lab.
            try Files.makeDirectories(kind == "FileOrCreate" ? parent(stand(in: path)) : stand(in: path))
            if kind == "FileOrCreate" { try Files.write([], to: stand(in: path)) }
            return
        }
        try Files.makeDirectories(place)
        switch content {
        case .empty: chmod(place, 0o777)
        case .host: break
        case .configMap(let reference): try await write(reference, isSecret: false, to: place, pod)
        case .secret(let reference): try await write(reference, isSecret: true, to: place, pod)
        case .downward(let items):
            for item in items {
                var environment = ContainerEnvironment()
                environment.nodeAddresses = host.addresses
                try put(Array(environment.field(item.key, of: pod).utf8), place, item.path)
            }
        case .token(let path, let audience, let expiration):
            let token = try await api.token(
                serviceAccount: pod.serviceAccount, namespace: key.namespace, audience: audience,
                expiration: .seconds(expiration),
                pod: key)
            if let token { try put(Array(token.utf8), place, path) }
        case .projected(let sources): for source in sources { try await fill(place, source, pod) }
        case .unknown(let kind):
            throw LabError(.objectsUnusable, "volumes of kind \(kind) are not made in the lab")
        }
    }

    private func write(_ reference: VolumeManifest.Reference, isSecret: Bool, to place: String, _ pod: PodManifest) async throws {
        guard let data = try await data(reference.name, isSecret: isSecret) else {
            if reference.isOptional { return }
            throw LabError(.objectsUnusable, "\(isSecret ? "secret" : "configmap") \"\(reference.name)\" not found")
        }
        let items = reference.items.isEmpty ? data.keys.sorted().map { .init(key: $0, path: $0) } : reference.items
        for item in items {
            guard let bytes = data[item.key] else {
                if reference.isOptional { continue }
                throw LabError(.objectsUnusable, "references non-existent config key: \(item.key)")
            }
            try put(bytes, place, item.path)
        }
    }

    private func put(_ bytes: [UInt8], _ place: String, _ path: String) throws {
        // A path of a volume stays in it.
        guard !path.split(separator: "/").contains("..") else { throw LabError(.objectsUnusable, "path \(path) leads outside") }
        try Files.makeDirectories(parent("\(place)/\(path)"))
        try Files.write(bytes, to: "\(place)/\(path)")
    }

    private func parent(_ path: String) -> String { String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }

    /// What stands for a path of the host that is not there.
    private func stand(in path: String) -> String { "\(host.directory)/hostpath\(path)" }

    /// The data of a ConfigMap or a Secret; `nil` when there is none.
    func data(_ name: String, isSecret: Bool) async throws -> [String: [UInt8]]? {
        guard let tree = try await api.object(isSecret ? "Secret" : "ConfigMap", namespace: key.namespace, name: name) else {
            return nil
        }
        var data: [String: [UInt8]] = [:]
        for member in tree[isSecret ? "stringData" : "data"]?.object?.members ?? [] {
            data[member.key] = Array((member.value.string ?? "").utf8)
        }
        for member in tree[isSecret ? "data" : "binaryData"]?.object?.members ?? [] {
            data[member.key] = Base64.bytes(of: member.value.string ?? "")
        }
        return data
    }

    // MARK: Mounts

    func mounts(of container: ContainerManifest, in pod: PodManifest) throws -> [String] {
        var mounts: [String] = []
        for name in ["hosts", "resolv.conf", "hostname"] { mounts.append("\(directory)/etc/\(name):/etc/\(name)") }
        for mount in container.mounts {
            guard let volume = pod.volumes.first(where: { $0.name == mount.volume }) else {
                throw LabError(.objectsUnusable, "volumeMounts: there is no volume \(mount.volume)")
            }
            var source = "\(directory)/volumes/\(volume.name)"
            var isReadOnly = mount.isReadOnly
            switch volume.content {
            case .host(let path, _): source = access(path, F_OK) == 0 ? path : stand(in: path)
            case .empty: break
            default: isReadOnly = true
            }
            if !mount.subPath.isEmpty {
                guard !mount.subPath.split(separator: "/").contains("..") else {
                    throw LabError(.objectsUnusable, "volumeMounts: subPath \(mount.subPath) leads outside")
                }
                source += "/" + mount.subPath
                if access(source, F_OK) != 0 { try Files.makeDirectories(source) }
            }
            mounts.append("\(source):\(mount.path)\(isReadOnly ? ":ro" : "")")
        }
        return mounts
    }

    /// /etc/hosts, /etc/resolv.conf and /etc/hostname of the pod.
    func writeNames(_ pod: PodManifest, addresses: [IPAddress]) throws {
        let names = PodNames(pod, addresses: addresses, host: host)
        try Files.makeDirectories(directory + "/etc")
        try Files.write(names.hosts.utf8, to: directory + "/etc/hosts")
        try Files.write(names.resolver.utf8, to: directory + "/etc/resolv.conf")
        try Files.write("\(pod.usesHostNetwork ? host.name : pod.hostname)\n".utf8, to: directory + "/etc/hostname")
    }

    func variables(
        of container: ContainerManifest, in pod: PodManifest, addresses: [IPAddress]
    ) async throws -> [(name: String, value: String)] {
        var environment = ContainerEnvironment()
        (environment.addresses, environment.nodeAddresses) = (addresses, host.addresses)
        for (name, isSecret) in container.references {
            if isSecret {
                environment.secrets[name] = try await data(name, isSecret: true)
            } else {
                environment.configMaps[name] = try await data(name, isSecret: false)
            }
        }
        let inNamespace = pod.enablesServiceLinks ? try await api.services(in: key.namespace) : []
        let inDefault = try await api.services(in: "default").filter { $0["metadata"]?["name"]?.string == "kubernetes" }
        environment.services = ContainerEnvironment.variables(of: inDefault + inNamespace)
        return try environment.variables(of: container, in: pod)
    }
}

extension ContainerManifest {
    /// The ConfigMaps and Secrets its variables need.
    fileprivate var references: [(name: String, isSecret: Bool)] {
        environmentSources.map { ($0.name, $0.isSecret) }
            + environment.compactMap { variable in
                switch variable.value {
                case .configMap(let name, _, _): (name, false)
                case .secret(let name, _, _): (name, true)
                default: nil
                }
            }
    }
}

/// Base64 of RFC 4648 §4, as Secrets have it.
enum Base64 {
    /// What is no base64 is passed over: the API server refuses it.
    static func bytes(of text: String) -> [UInt8] {
        var (bits, count) = (UInt32(0), 0)
        var bytes: [UInt8] = []
        for character in text.utf8 {
            let value: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: continue
            }
            (bits, count) = (bits << 6 | UInt32(value), count + 6)
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }
}
