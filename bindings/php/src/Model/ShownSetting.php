<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A setting of an app, as it is shown.
 */
final readonly class ShownSetting implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Kebab-case, for example `client-key`. */
        public string $name,
        /** Its label in the form. */
        public string $label,
        /** A sentence below it. */
        public ?string $help,
        /** `text`, `secret`, `url`, `choice`, `flag` (`true` or `false`), `list` (one value per line). */
        public string $kind,
        /** @var list<string> Values of a `choice`, or suggestions for a `list`. */
        public array $choices,
        /** Whether it is required. */
        public bool $required,
        /** Used if nothing is set. */
        public ?string $defaultValue,
        /** Its value; for a secret, `****` and its last four characters. */
        public ?string $value,
        /** The value is the provider's default. */
        public bool $isDefault,
    ) {
    }
}
