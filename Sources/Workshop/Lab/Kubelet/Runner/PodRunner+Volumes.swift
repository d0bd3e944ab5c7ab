import Addressing
import Glibc
import KubeAPI

extension PodRunner {
    func prepareVolumes(_ pod: PodManifest) async throws {
        try Files.makeDirectories(directory, mode: 0o755)
        let reading = ObjectReading(api)
        tokens = [:]
        for volume in pod.volumes {
            do {
                try await fill(volume, pod, reading)
            } catch {
                throw LabError(.processFailed, "MountVolume.SetUp failed for volume \"\(volume.name)\" : \(error)")
            }
        }
    }

    /// Writes anew what other objects have become since. One that is not there any more, or cannot be asked for, changes nothing.
    func refreshVolumes(_ pod: PodManifest, _ reading: ObjectReading) async {
        for volume in pod.volumes where volume.followsObjects { try? await fill(volume, pod, reading) }
    }

    private func fill(_ volume: VolumeManifest, _ pod: PodManifest, _ reading: ObjectReading) async throws {
        let place = "\(directory)/volumes/\(volume.name)"
        switch volume.content {
        case .host(let path, let kind):
            guard access(path, F_OK) != 0 else { return }
            guard kind.hasSuffix("OrCreate") else { throw LabError(.objectsUnusable, "hostPath \(path) is not there") }
            // The machine is not changed: what is to be made is made in the lab.
            try Files.makeDirectories(kind == "FileOrCreate" ? parent(stand(in: path)) : stand(in: path))
            if kind == "FileOrCreate" { try Files.write([], to: stand(in: path)) }
        case .empty:
            try Files.makeDirectories(place)
            if let group = pod.volumeGroup { chown(place, uid_t.max, group) }
            chmod(place, 0o777 | (pod.volumeGroup == nil ? 0 : 0o2000))
        default:
            let files = try await files(of: volume.content, pod, reading, token: volume.name)
            guard written[volume.name] != files else { return }
            try Files.makeDirectories(place)
            try VolumeFolder(path: place, group: pod.volumeGroup).write(files)
            written[volume.name] = files
        }
    }

    /// - Parameter token: what a token is remembered by: it is not asked for again when other files change.
    private func files(
        of content: VolumeManifest.Content, _ pod: PodManifest, _ reading: ObjectReading, token name: String
    ) async throws -> [String: VolumeFolder.File] {
        switch content {
        case .empty, .host: return [:]
        case .configMap(let reference): return try await files(of: reference, isSecret: false, reading)
        case .secret(let reference): return try await files(of: reference, isSecret: true, reading)
        case .downward(let items, let mode):
            var environment = ContainerEnvironment()
            environment.nodeAddresses = host.addresses
            var files: [String: VolumeFolder.File] = [:]
            for item in items {
                var text = environment.field(item.key, of: pod)
                if let resource = item.resource {
                    let all = pod.containers + pod.initContainers
                    guard let owner = all.first(where: { $0.name == resource.container }) else {
                        throw LabError(.objectsUnusable, "resourceFieldRef: there is no container \(resource.container)")
                    }
                    text = ContainerEnvironment.resource(resource.name, resource.divisor, of: owner)
                }
                files[item.path] = VolumeFolder.File(bytes: Array(text.utf8), mode: item.mode ?? mode)
            }
            return files
        case .token(let path, let audience, let expiration, let mode):
            let place = "\(name)/\(path)"
            if tokens[place] == nil {
                tokens[place] = try await api.token(
                    serviceAccount: pod.serviceAccount, namespace: key.namespace, audience: audience,
                    expiration: .seconds(expiration), pod: key)
            }
            guard let token = tokens[place] else { return [:] }
            return [path: VolumeFolder.File(bytes: Array(token.utf8), mode: pod.volumeGroup == nil ? mode : 0o600)]
        case .projected(let sources):
            var all: [String: VolumeFolder.File] = [:]
            for source in sources { all.merge(try await files(of: source, pod, reading, token: name)) { $1 } }
            return all
        case .unknown(let kind):
            throw LabError(.objectsUnusable, "volumes of kind \(kind) are not made in the lab")
        }
    }

    private func files(
        of reference: VolumeManifest.Reference, isSecret: Bool, _ reading: ObjectReading
    ) async throws -> [String: VolumeFolder.File] {
        guard let data = try await reading.data(reference.name, isSecret: isSecret, in: key.namespace) else {
            if reference.isOptional { return [:] }
            throw LabError(.objectsUnusable, "\(isSecret ? "secret" : "configmap") \"\(reference.name)\" not found")
        }
        let items = reference.items.isEmpty ? data.keys.sorted().map { .init(key: $0, path: $0) } : reference.items
        var files: [String: VolumeFolder.File] = [:]
        for item in items {
            guard let bytes = data[item.key] else {
                if reference.isOptional { continue }
                throw LabError(.objectsUnusable, "references non-existent config key: \(item.key)")
            }
            files[item.path] = VolumeFolder.File(bytes: bytes, mode: item.mode ?? reference.mode)
        }
        return files
    }

    private func parent(_ path: String) -> String { String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }

    /// What stands for a path of the host that is not there.
    private func stand(in path: String) -> String { "\(host.directory)/hostpath\(path)" }

    // MARK: Mounts

    func mounts(of container: ContainerManifest, in pod: PodManifest) throws -> [String] {
        var mounts: [String] = []
        for name in ["hosts", "resolv.conf", "hostname"] { mounts.append("\(directory)/etc/\(name):/etc/\(name)") }
        // Wherever they are: a container sees the files of the root file system, and not of every other.
        mounts.append("\(host.launcher):\(ContainerEnvironment.programs)/tulle-pod:ro")
        let tulle = "\(parent(host.launcher))/tulle"
        if access(tulle, X_OK) == 0 { mounts.append("\(tulle):\(ContainerEnvironment.programs)/tulle:ro") }
        if ImageCatalogue.holdsPrograms(container.image) {
            mounts.append("\(parent(host.launcher)):\(ImageCatalogue.place):ro")
        }
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
        let reading = ObjectReading(api)
        for (name, isSecret) in container.references {
            let data = try await reading.data(name, isSecret: isSecret, in: key.namespace)
            if isSecret { environment.secrets[name] = data } else { environment.configMaps[name] = data }
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
