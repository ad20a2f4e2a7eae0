<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A value that the operator or the person enters; forms are built from these.
 */
final readonly class Setting implements \JsonSerializable
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
    ) {
    }
}
