<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A difference between two components.
 */
final readonly class UpgradeChange implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** `added`, `changed` or `removed`. */
        public string $change,
        /** `interface`, `import`, `ability`, `origin`, `permission`, `setting` or `input`. */
        public string $kind,
        /** What differs. */
        public string $name,
    ) {
    }
}
