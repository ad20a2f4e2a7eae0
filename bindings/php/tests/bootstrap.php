<?php

declare(strict_types=1);

require dirname(__DIR__) . '/autoload.php';

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'SocialChannel\\Tests\\')) {
        require __DIR__ . '/' . str_replace('\\', '/', substr($class, 20)) . '.php';
    }
});

// The tests do not use the settings of the user who runs them.
foreach (['SOCIAL_CHANNEL_SERVICE', 'SOCIAL_CHANNEL_API_KEY', 'SOCIAL_CHANNEL_MASTER_KEY'] as $variable) {
    putenv($variable);
}
