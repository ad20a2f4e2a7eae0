<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A component, as it is shown.
 */
final readonly class ProviderInfo implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** How the provider describes itself. */
        public Descriptor $descriptor,
        /** Its digest. */
        public string $digest,
        /** Size in bytes. */
        public int $size,
        /** @var list<string> Interfaces it implements, with the version of the contract it was built for. */
        public array $interfaces,
        /** @var list<string> Interfaces it needs. */
        public array $imports,
        /** New apps of this provider run it. */
        public bool $installed,
        /** @var list<string> Apps that run it. */
        public array $apps,
        /** Where it came from and who signed it; null for what an older version installed. */
        public ?ProviderOrigin $origin = null,
        /** The digest of the component that it replaced, which is kept for the way back. */
        public ?string $previous = null,
        /** Why it cannot be used now. */
        public ?Error $error = null,
    ) {
    }
}
