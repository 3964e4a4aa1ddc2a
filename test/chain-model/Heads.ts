/** The broker's side of the heads: hints, bases and the manifest of one partition, as HeadsSteps.ts writes them. */
import { type PerUser, perUser, type User } from "./Chain.ts"

/** A hint or a base. A head is the number of an account's newest revision; 0 says nothing of the account. */
export interface Blob {
  readonly name: number
  /** The key of the hash under which accounts are found in it. */
  readonly key: number
  readonly heads: PerUser<number>
}

export interface Manifest {
  /** The stream sequence of the manifest, which its replacement expects; 0 before the first. */
  readonly revision: number
  /** The key of the hash in all blobs that it names; 0 before the first blob. */
  readonly key: number
  readonly blobs: ReadonlyArray<number>
  /** Up to which revision of each account the blobs are complete. */
  readonly through: PerUser<number>
}

export const noManifest: Manifest = { revision: 0, key: 0, blobs: [], through: { ann: 0, bob: 0 } }

export interface HeadsStream {
  readonly manifest: Manifest
  /** The manifest before, which a replica may still answer with. */
  readonly older: Manifest | undefined
  /** In the order of the stream. */
  readonly blobs: ReadonlyArray<Blob>
  /** A blob was lost by a fault, so that a manifest may name one that is not stored. */
  readonly hasLost: boolean
}

export type HeadsWrite =
  | { readonly kind: "blob"; readonly blob: Blob; readonly chunkOf?: User }
  | { readonly kind: "manifest"; readonly manifest: Manifest; readonly expects: number }
  | { readonly kind: "purge"; readonly below: number }

export interface HeadsRules {
  readonly replacesUnconditionally: boolean
  readonly keepsOlder: boolean
}

/** Applies a write to the stream; returns `undefined` where the manifest's expectation is refused. */
export const writeHeads = (heads: HeadsStream, write: HeadsWrite, rules: HeadsRules): HeadsStream | undefined => {
  switch (write.kind) {
    case "blob": {
      const others = heads.blobs.filter(({ name }) => name !== write.blob.name)
      return { ...heads, blobs: [...others, write.blob] }
    }
    case "manifest": {
      const { revision } = heads.manifest
      if (write.expects !== revision && !rules.replacesUnconditionally) return undefined
      const older = rules.keepsOlder ? heads.manifest : undefined
      return { ...heads, manifest: { ...write.manifest, revision: revision + 1 }, older }
    }
    case "purge": {
      const first = heads.blobs.findIndex(({ name }) => name === write.below)
      return first < 0 ? heads : { ...heads, blobs: heads.blobs.slice(first) }
    }
  }
}

/** Returns whether a manifest names a blob that is not stored. */
export const lacksBlob = ({ blobs }: HeadsStream, manifest: Manifest): boolean =>
  manifest.blobs.some((name) => !blobs.some((blob) => blob.name === name))

/** Reads the heads that a manifest's blobs hold; a blob under another key gives nothing, for no hash in it is found. */
export const readBlobs = ({ blobs }: HeadsStream, manifest: Manifest): PerUser<number> => {
  const named = blobs.filter(({ name, key }) => manifest.blobs.includes(name) && key === manifest.key)
  return perUser((user) => Math.max(0, ...named.map(({ heads }) => heads[user])))
}
